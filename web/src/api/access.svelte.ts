// Whether the API wants a token, and who waits for the reader to give one.

import { forgetToken, keepToken, keptToken } from "./token";

export class Access {
  token = $state.raw<string | null>(null);
  /** The token is being asked for. */
  isAsking = $state(false);
  /** The reader has closed the question; calls fail until they open it again. */
  isDeclined = $state(false);
  /** A token was sent, and the server does not know it. */
  isRefused = $state(false);

  #hasFailed = false;
  #waiting: ((isGiven: boolean) => void)[] = [];

  constructor() {
    this.token = keptToken();
  }

  /**
   * Return whether there is another token to try than `refused`, which the server did not take; null for none. Waits
   * for the reader, once for all calls that need one.
   */
  async another(refused: string | null, signal: AbortSignal): Promise<boolean> {
    if (refused !== this.token) return true;
    if (this.isDeclined) return false;
    signal.throwIfAborted();
    this.isAsking = true;
    this.isRefused = refused !== null;
    return new Promise((resolve, reject) => {
      this.#waiting.push(resolve);
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
  }

  /** Try this token from now on. */
  give(token: string, isRemembered: boolean): void {
    keepToken(token, isRemembered);
    this.token = token;
    // What has failed for want of a token would not be asked for again.
    if (this.#hasFailed) location.reload();
    this.#answer(true);
  }

  /** Go on without a token: what waits for one fails. */
  decline(): void {
    this.isDeclined = this.#hasFailed = true;
    this.#answer(false);
  }

  /** Ask again after all. */
  reopen(): void {
    this.isDeclined = false;
    this.isAsking = true;
  }

  /** Keep the token no longer, and show nothing that it brought. */
  forget(): void {
    forgetToken();
    location.reload();
  }

  #answer(isGiven: boolean): void {
    this.isAsking = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve(isGiven);
  }
}

/** The page's own. */
export const access = new Access();
