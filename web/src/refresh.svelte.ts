// How often a page asks again, as its reader wants it.

/** What can be chosen, in seconds; 0 is never. */
export const PACES_S: readonly number[] = [2, 5, 10, 30, 60, 0];

export class Refresh {
  paceS = $state(10);
  /** Changes when the reader wants everything anew at once. */
  turn = $state(0);

  /** Between two requests in ms, or null for only one. What changes seldom is asked for every `slowestS` at most. */
  everyMs(slowestS = 0): number | null {
    return this.paceS === 0 ? null : Math.max(this.paceS, slowestS) * 1_000;
  }

  get isPaused(): boolean {
    return this.paceS === 0;
  }
}
