// How every chart over time looks and writes its times.

import {
  CrosshairMode,
  type DeepPartial,
  type Time,
  type TimeChartOptions,
  type UTCTimestamp,
} from "lightweight-charts";
import { crosshairText, tickText, type LocalTimeScale } from "./local_time";

/** Return what a chart over `scale` begins with. */
export function optionsFor(scale: LocalTimeScale): DeepPartial<TimeChartOptions> {
  return {
    autoSize: true,
    // The logo brings an inline style, which the page's policy forbids; the footer gives the credit.
    layout: { attributionLogo: false, fontSize: 11 },
    crosshair: { mode: CrosshairMode.Normal },
    rightPriceScale: { borderVisible: false, minimumWidth: 76, scaleMargins: { top: 0.14, bottom: 0.06 } },
    timeScale: {
      borderVisible: false,
      rightOffset: 6,
      barSpacing: 7,
      minBarSpacing: 0.5,
      tickMarkFormatter: (time: Time, kind: number) => tickText(time as UTCTimestamp, kind, scale.isUtc),
    },
    localization: { timeFormatter: (time: Time) => crosshairText(time as UTCTimestamp, scale.isUtc) },
  };
}

/** Return what turns a colour's name into the style sheet's colour of the theme that is shown now. */
export function colours(): (name: string) => string {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
}

/** Return the options that give a chart these colours. */
export function paintWith(colour: (name: string) => string): DeepPartial<TimeChartOptions> {
  const [line, text] = [colour("chart-line"), colour("text-muted")];
  return {
    layout: {
      background: { color: colour("panel") },
      textColor: text,
      fontFamily: colour("font"),
      panes: { separatorColor: colour("line"), separatorHoverColor: colour("line") },
    },
    grid: { vertLines: { color: line }, horzLines: { color: line } },
    crosshair: {
      vertLine: { color: text, labelBackgroundColor: colour("raised") },
      horzLine: { color: text, labelBackgroundColor: colour("raised") },
    },
  };
}
