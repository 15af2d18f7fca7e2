// The parts of a browser's page that the modules under test touch.

import { vi } from "vitest";

/** A store that forgets nothing until the test is over. */
function storage(): Pick<Storage, "getItem" | "setItem" | "removeItem"> {
  const kept = new Map<string, string>();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  };
}

/** A page that can be hidden and shown. */
export class FakePage {
  hidden = false;
  baseURI = "http://here/sql/#x";
  #onVisible = new Set<() => void>();

  addEventListener(_name: string, listener: () => void): void {
    this.#onVisible.add(listener);
  }

  removeEventListener(_name: string, listener: () => void): void {
    this.#onVisible.delete(listener);
  }

  show(isShown: boolean): void {
    this.hidden = !isShown;
    for (const listener of this.#onVisible) listener();
  }
}

/** Put a page, its stores and its address in place of the browser's; returns the page. */
export function stubPage(): FakePage {
  const page = new FakePage();
  vi.stubGlobal("document", page);
  vi.stubGlobal("sessionStorage", storage());
  vi.stubGlobal("localStorage", storage());
  vi.stubGlobal("location", { reload: vi.fn() });
  return page;
}
