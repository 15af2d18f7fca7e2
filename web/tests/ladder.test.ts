import { expect, it } from "vitest";
import { ladderOf, type BookAnswer, type Level } from "../src/books/ladder";
import type { Instrument } from "../src/types";

const BTC = { id: "BTC-USD.COINBASE", price_step: 0.01, size_step: 1e-8 } as Instrument;

function answer(bids: readonly Level[], asks: readonly Level[]): BookAnswer {
  const about = { simulated: true, instrument: BTC.id, commit: 7, time: "2026-11-20T14:03:07.512345678Z" };
  return { ...about, state: "live", bids, asks };
}

it("writes every digit of prices and sizes, and adds sizes up from the best price", () => {
  const { bids } = ladderOf(answer([[64_000.5, 0.1], [64_000.25, 0.2]], [[64_001, 3]]), BTC, 2); // prettier-ignore
  expect(bids.map(({ price, size, total }) => [price, size, total])).toEqual([
    ["64,000.50", "0.10000000", "0.10000000"],
    ["64,000.25", "0.20000000", "0.30000000"],
  ]);
});

it("gives each side the same scale: the largest total of both is 100", () => {
  const { bids, asks } = ladderOf(answer([[9, 1], [8, 3]], [[11, 2], [12, 6]]), BTC, 2); // prettier-ignore
  expect(bids.map(({ share }) => share)).toEqual([12.5, 50]);
  expect(asks.map(({ share }) => share)).toEqual([25, 100]);
});

it("keeps its rows where the book has fewer, and none beyond", () => {
  const { bids, asks } = ladderOf(answer([[9, 1], [8, 3], [7, 1]], []), BTC, 2); // prettier-ignore
  expect(bids.map(({ price }) => price)).toEqual(["9.00", "8.00"]);
  expect(asks).toEqual(Array(2).fill({ price: "", size: "", total: "", share: 0 }));
});

it("rounds the sizes of an inverse contract, which are worked out", () => {
  const inverse = { ...BTC, size_step: 0, contract: "inverse" } as Instrument;
  const { bids } = ladderOf(answer([[67_000, 1 / 67_000], [66_000, 1 / 66_000]], []), inverse, 2); // prettier-ignore
  expect(bids.map(({ size, total }) => [size, total])).toEqual([
    ["0.00001493", "0.00001493"],
    ["0.00001515", "0.00003008"],
  ]);
});

it("takes the decimals from the levels while the venue has not told its steps", () => {
  const unknown = { ...BTC, price_step: 0, size_step: 0 };
  const { bids } = ladderOf(answer([[0.0000012, 100], [0.000001, 12.5]], []), unknown, 2); // prettier-ignore
  expect(bids.map(({ price, size, total }) => [price, size, total])).toEqual([
    ["0.0000012", "100.0", "100.0"],
    ["0.0000010", "12.5", "112.5"],
  ]);
  expect(ladderOf(answer([], []), undefined, 1).bids[0]?.price).toBe("");
});
