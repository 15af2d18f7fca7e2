// The indicators on the chart: one follower for each that is chosen.

import { isSamePlace, type Choice, type Place } from "../choice";
import type { Time } from "../types";
import { Follower } from "./follower.svelte";
import { wantedOf } from "./key";

export class Followers {
  /** In the order in which they were chosen. */
  list = $state.raw<readonly Follower[]>([]);

  #place: Place | null = null;

  /** Follow what is chosen, and nothing else. One that is followed already goes on. */
  show(choice: Choice): void {
    const isKept = this.#place !== null && isSamePlace(this.#place, choice);
    const old = new Map(this.list.map((follower) => [follower.key, follower]));
    for (const follower of old.values()) {
      if (isKept && choice.indicators.includes(follower.key)) continue;
      follower.close();
      old.delete(follower.key);
    }
    this.#place = choice;
    const kept = [...old.values()];
    const list: Follower[] = [];
    for (const key of choice.instrument === "" ? [] : choice.indicators) {
      const wanted = wantedOf(key);
      if (wanted === null) continue;
      const follower = old.get(key) ?? new Follower(wanted, choice, freeSlot([...kept, ...list]));
      list.push(follower);
    }
    this.list = list;
  }

  /** Fetch values back to the oldest candle on the chart. */
  reach(oldest: Time | undefined): void {
    if (oldest === undefined) return;
    for (const follower of this.list) void follower.reach(oldest);
  }

  close(): void {
    for (const follower of this.list) follower.close();
    this.list = [];
  }
}

function freeSlot(taken: readonly Follower[]): number {
  const slots = new Set(taken.map(({ slot }) => slot));
  let slot = 0;
  while (slots.has(slot)) slot += 1;
  return slot;
}
