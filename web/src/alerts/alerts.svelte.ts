// What the alerts page knows: a stream of alerts, those that go on, and older ones when they are asked for.

import { onDestroy } from "svelte";
import { ask } from "../api/call";
import { openStream } from "../api/live";
import { Poll } from "../api/poll.svelte";
import { perFrame } from "../frame";
import { EMPTY, type State } from "../state";
import { NOT_YET, type Connection } from "../stream";
import type { Alert } from "../types";
import { episodesOf, isActive } from "./episodes";

interface Page {
  alerts: Alert[];
  next: string | null;
}

const PAGE = 200;
/** What the stream does not tell: alerts that were raised before the newest ones and go on. */
const ACTIVE_S = 10;

export class Alerts {
  state = $state.raw<State>(EMPTY);
  connection = $state.raw<Connection>(NOT_YET);
  /** Why older alerts could not be had; empty if they could. */
  problem = $state("");
  isLoading = $state(false);
  hasOlder = $state(true);

  readonly active = new Poll<Page>();
  #older = $state.raw<readonly Alert[]>([]);

  readonly episodes = $derived(episodesOf(this.#older, this.active.answer?.alerts ?? [], this.state.alerts));
  readonly ongoing = $derived(this.episodes.filter(isActive));
  readonly past = $derived(this.episodes.filter((episode) => !isActive(episode)));
  readonly isSimulated = $derived(this.state.simulated || (this.state.status?.simulated ?? false));
  readonly targets = $derived(this.state.status?.targets);

  readonly #abort = new AbortController();

  constructor() {
    const draw = perFrame(() => {
      this.state = stream.state;
      this.connection = stream.connection;
    });
    const stream = openStream({ instruments: ["*"], kinds: ["alerts"] }, draw);
    onDestroy(() => {
      stream.close();
      this.#abort.abort();
    });
  }

  /** Ask for the alerts that go on. Returns what ends it. */
  follow(): () => void {
    return this.active.follow({ name: "alerts/active" }, ACTIVE_S * 1_000);
  }

  /** Fetch a page of alerts before the oldest one. */
  async loadOlder(): Promise<void> {
    const end = (this.#older[0] ?? this.state.alerts[0])?.ingest_time;
    if (end === undefined || this.isLoading) return;
    this.isLoading = true;
    try {
      const page = await ask<Page>({ name: "alerts", query: { end, order: "desc", limit: PAGE } }, this.#abort.signal);
      this.#older = [...page.alerts.reverse(), ...this.#older];
      this.hasOlder = page.next !== null;
      this.problem = "";
    } catch (error) {
      if (!this.#abort.signal.aborted) this.problem = (error as Error).message;
    }
    this.isLoading = false;
  }
}
