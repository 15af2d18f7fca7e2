// What the overview page knows: a stream of every instrument's last values and statistics, and what is asked for.

import { onDestroy } from "svelte";
import { openStream } from "../api/live";
import { Poll } from "../api/poll.svelte";
import type { Refresh } from "../refresh.svelte";
import type { Rows } from "../sql/ask";
import { EMPTY, type State } from "../state";
import { NOT_YET, type Connection } from "../stream";
import type { Interval, Stat } from "../types";
import { rowOf, type Closes, type Coin, type Row } from "./rows";

/** Faster than this nobody reads a table. */
const DRAW_MS = 500;
/** What an aggregator says changes once a minute at most. */
const COINS_S = 30;

const COINS = `SELECT instrument, name, all_time_high, volume_24h, cap,
  coalesce(total_supply, circulating_supply) AS supply, change_1d, change_7d
FROM overview JOIN (SELECT instrument, arg_max(circulating_supply, event_time) AS circulating_supply
                    FROM coins GROUP BY instrument) USING (instrument)
WHERE name <> ''`;

/** Two bars are among the newest twenty of a market that trades at all. */
function closesQuery(interval: Interval, lengthS: number): string {
  return `SELECT instrument, max(close) FILTER (place = 1) AS newest, max(close) FILTER (place = 2) AS before
FROM (SELECT instrument, close, row_number() OVER (PARTITION BY instrument ORDER BY start DESC) AS place
      FROM candles WHERE interval = '${interval}' AND close IS NOT NULL AND start::TIMESTAMP
        > (SELECT max(start)::TIMESTAMP FROM candles WHERE interval = '${interval}') - INTERVAL ${20 * lengthS} SECONDS)
WHERE place < 3 GROUP BY instrument`;
}

export class Market {
  state = $state.raw<State>(EMPTY);
  connection = $state.raw<Connection>(NOT_YET);

  readonly coins = new Poll<Rows>();
  readonly closes = new Poll<Rows>();
  readonly latest = new Poll<{ stats: Stat[] }>();

  readonly rows: readonly Row[] = $derived.by(() => {
    const { instruments, last, stats } = this.state;
    return instruments
      .map((one) =>
        rowOf(
          one,
          last.get(one.id),
          stats.get(one.id) ?? this.#stats.get(one.id),
          this.#coins.get(one.id),
          this.#closes.get(one.id),
        ),
      )
      .filter(({ price }) => price !== null);
  });
  readonly isSimulated = $derived(this.state.simulated || (this.state.status?.simulated ?? false));

  readonly #coins = $derived(new Map((this.coins.answer?.rows ?? []).map((row) => [String(row[0]), coinOf(row)])));
  readonly #closes = $derived(
    new Map((this.closes.answer?.rows ?? []).map((row) => [String(row[0]), row.slice(1) as Closes])),
  );
  /** Those of instruments that have had no tick since the page was opened. */
  readonly #stats = $derived(new Map((this.latest.answer?.stats ?? []).map((stat) => [stat.instrument, stat])));

  constructor(refresh: Refresh) {
    let isChanged = false;
    const stream = openStream({ instruments: ["*"], kinds: ["last", "stats"] }, () => (isChanged = true));
    const timer = setInterval(() => {
      if (!isChanged || (refresh.isPaused && this.state.commit !== null)) return;
      isChanged = false;
      this.state = stream.state;
      this.connection = stream.connection;
    }, DRAW_MS);
    onDestroy(() => {
      clearInterval(timer);
      stream.close();
    });
  }

  /** Ask for what the stream does not tell, with bars of `interval`. Returns what ends it. */
  follow(refresh: Refresh, interval: Interval, lengthS: number): () => void {
    const stops = [
      this.coins.follow({ name: "sql", body: { query: COINS } }, refresh.everyMs(COINS_S)),
      this.closes.follow({ name: "sql", body: { query: closesQuery(interval, lengthS) } }, refresh.everyMs()),
      this.latest.follow({ name: "stats/latest" }, null),
    ];
    return () => stops.forEach((stop) => stop());
  }
}

function coinOf([, name, allTimeHigh, volume, cap, supply, change1d, change7d]: readonly unknown[]): Coin {
  const figures = { allTimeHigh, volume, cap, supply, change1d, change7d } as Omit<Coin, "name">;
  return { name: String(name), ...figures };
}
