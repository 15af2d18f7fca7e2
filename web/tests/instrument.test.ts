import { describe, expect, it } from "vitest";
import { contractOf, productOf, sizeText } from "../src/instrument";
import { BTC } from "./records";

const INVERSE = { ...BTC, id: "BTC-USD-PERP.BITMEX", venue: "BITMEX", size_step: 0, contract: "inverse" } as const;

it("tells a contract from the coins themselves", () => {
  expect([contractOf(BTC), contractOf(INVERSE)]).toEqual(["", "-PERP"]);
  expect([productOf(BTC.id), productOf(INVERSE.id)]).toEqual(["BTC-USD", "BTC-USD-PERP"]);
});

describe("sizeText", () => {
  it("writes every digit that a venue sent", () => {
    expect(sizeText(0.1, BTC)).toBe("0.10000000");
    expect(sizeText(0.123456789012, { ...BTC, size_step: 0 })).toBe("0.123456789012");
    expect(sizeText(2.5, undefined)).toBe("2.5");
  });

  it("rounds what is worked out of an inverse contract's value: nobody reads seventeen digits", () => {
    expect(sizeText(0.0000149274451, INVERSE)).toBe("0.00001493");
    expect(sizeText(2.474663850378737, INVERSE)).toBe("2.47466385");
    expect(sizeText(0.0015, { ...INVERSE, size_step: 1 })).toBe("0.00150000");
  });

  it("rounds the product of a linear contract to its step", () => {
    const linear = { ...BTC, contract: "linear" } as const;
    expect(sizeText(0.1 + 0.2, { ...linear, size_step: 1e-6 })).toBe("0.300000");
    expect(sizeText(0.1 + 0.2, { ...linear, size_step: 0 })).toBe("0.30000000");
    expect(sizeText(7, { ...linear, size_step: 1 })).toBe("7");
  });

  it("leaves contracts that nobody can work out as they are", () => {
    expect(sizeText(12.5, { ...BTC, contract: "quanto", size_step: 0 })).toBe("12.5");
  });
});
