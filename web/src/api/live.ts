// Opens streams with the token. A browser does not say why a WebSocket was refused, so a call is made to find out.

import { Stream } from "../stream";
import type { Subscription } from "../types";
import { access } from "./access.svelte";
import { streamUrl } from "./address";
import { ask } from "./call";
import { protocolsOf } from "./token";

/** Return a stream of what is subscribed to; `onChange` is called after every change. */
export function openStream(subscription: Subscription, onChange: () => void): Stream {
  const abort = new AbortController();
  let isProbing = false;

  /** Ask for a token if that is what is missing, and try again as soon as there is one. */
  async function probe(): Promise<void> {
    if (isProbing) return;
    isProbing = true;
    const { token } = access;
    // Whatever else is wrong, the stream tries again by itself and the page says that it is away.
    await ask({ name: "status" }, abort.signal).catch(() => undefined);
    isProbing = false;
    if (access.token !== token) stream.retry();
  }

  const stream = new Stream({
    url: streamUrl(),
    protocols: () => protocolsOf(access.token),
    subscription,
    onChange,
    onFailure: () => void probe(),
    onClosed: () => abort.abort(),
  });
  return stream;
}
