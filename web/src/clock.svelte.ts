// The time, for ages that grow while nothing else happens.

import { onDestroy } from "svelte";

export class PageClock {
  /** ms since 1970, every second. */
  now = $state(Date.now());

  constructor() {
    const timer = setInterval(() => (this.now = Date.now()), 1_000);
    onDestroy(() => clearInterval(timer));
  }
}
