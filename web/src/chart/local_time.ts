// The time axis in the browser's zone. The library marks days and months at UTC midnight; here a day begins when
// the reader's does. Bars keep their true UTC times.

import { defaultHorzScaleBehavior, type IHorzScaleBehavior, type Time, type UTCTimestamp } from "lightweight-charts";

type Points = Parameters<IHorzScaleBehavior<Time>["fillWeightsForPoints"]>[0];

/** The library's own time axis, its weights shifted to local time unless `isUtc`. */
export class LocalTimeScale extends defaultHorzScaleBehavior() {
  /** Set for candles of a day: they are UTC days, whatever the reader's zone. */
  isUtc = false;

  override fillWeightsForPoints(points: Points, startIndex: number): void {
    const from = Math.max(startIndex - 1, 0);
    const shifted = points.slice(from).map((point) => ({
      ...point,
      time: this.convertHorzItemToInternal(this.#local(point.originalTime as UTCTimestamp)),
    }));
    super.fillWeightsForPoints(shifted, startIndex - from);
    shifted.forEach((point, i) => {
      if (from + i >= startIndex) points[from + i]!.timeWeight = point.timeWeight;
    });
  }

  #local(time: UTCTimestamp): UTCTimestamp {
    if (this.isUtc) return time;
    return (time - new Date(time * 1_000).getTimezoneOffset() * 60) as UTCTimestamp;
  }
}

const TICKS: readonly Intl.DateTimeFormatOptions[] = [
  { year: "numeric" },
  { month: "short" },
  { day: "numeric", month: "short" },
  { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
];
const local = TICKS.map((options) => new Intl.DateTimeFormat("en-GB", options));
const universal = TICKS.map((options) => new Intl.DateTimeFormat("en-GB", { ...options, timeZone: "UTC" }));

/** Return the text of a mark on the axis; `kind` is the library's TickMarkType. */
export function tickText(time: UTCTimestamp, kind: number, isUtc: boolean): string {
  return (isUtc ? universal : local)[kind]!.format(time * 1_000);
}

/** Return the text beside the crosshair: local time, or for candles of a day the UTC date. */
export function crosshairText(time: UTCTimestamp, isUtc: boolean): string {
  const day = (isUtc ? universal : local)[2]!.format(time * 1_000);
  return isUtc ? `${day} (UTC day)` : `${day} ${local[4]!.format(time * 1_000)}`;
}
