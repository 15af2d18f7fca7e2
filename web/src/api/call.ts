// Calls of the API: the token goes along, a 401 asks the reader for one, and errors are said in words.

import { access, type Access } from "./access.svelte";
import { apiUrl, type Query } from "./address";
import { headersOf } from "./token";

/** What to ask: `name` follows `/api/v1/`, or begins with a slash: `/compat/health`. With a body it is a POST. */
export interface Call {
  readonly name: string;
  readonly query?: Query;
  readonly body?: unknown;
}

/** An answer with the tag to ask again with, which only answers about a closed range carry. */
export interface Answered<Answer> {
  readonly answer: Answer;
  readonly etag: string | null;
  /** What the server's clock said, in ms since 1970 and whole seconds; null if it did not tell. */
  readonly servedAt: number | null;
}

/** A file, and what of it only the headers say. */
export interface FileAnswer {
  readonly content: Blob;
  /** There are more rows than are in it. */
  readonly isCut: boolean;
  readonly isSimulated: boolean;
}

/** A call that failed. The message is for the reader. */
export class CallError extends Error {
  /** 0 when there was no answer at all. */
  readonly status: number;
  /** How long to wait before asking again, in seconds, if the server says so. */
  readonly retryAfterS: number | null;

  constructor(message: string, status: number, retryAfterS: number | null = null) {
    super(message);
    this.status = status;
    this.retryAfterS = retryAfterS;
  }
}

/** Return the answer to a call. Throws CallError. */
export async function ask<Answer>(call: Call, signal: AbortSignal): Promise<Answer> {
  return (await (await send(call, signal)).json()) as Answer;
}

/** Return the answer to a call as a file. Throws CallError. */
export async function askFile(call: Call, signal: AbortSignal): Promise<FileAnswer> {
  const response = await send(call, signal);
  const says = (name: string): boolean => response.headers.get(name) === "1";
  return { content: await response.blob(), isCut: says("Fulltape-Cut"), isSimulated: says("Fulltape-Simulated") };
}

/** Return the answer to a call that was answered before with `etag`, or null if that holds. Throws CallError. */
export async function askAgain<Answer>(
  call: Call,
  etag: string | null,
  signal: AbortSignal,
): Promise<Answered<Answer> | null> {
  const response = await send(call, signal, etag);
  if (response.status === 304) return null;
  const date = Date.parse(response.headers.get("Date") ?? "");
  const servedAt = Number.isNaN(date) ? null : date;
  return { answer: (await response.json()) as Answer, etag: response.headers.get("ETag"), servedAt };
}

async function send(
  call: Call,
  signal: AbortSignal,
  etag: string | null = null,
  by: Access = access,
): Promise<Response> {
  for (;;) {
    const { token } = by;
    const response = await fetched(call, signal, {
      ...headersOf(token),
      ...(etag === null ? {} : { "If-None-Match": etag }),
    });
    if (response.ok || response.status === 304) return response;
    if (response.status !== 401 || !(await by.another(token, signal))) throw await errorOf(response);
  }
}

async function fetched(
  { name, query, body }: Call,
  signal: AbortSignal,
  headers: Record<string, string>,
): Promise<Response> {
  const post = {
    method: "POST",
    body: JSON.stringify(body),
    headers: { ...headers, "Content-Type": "application/json" },
  };
  try {
    return await fetch(apiUrl(name, query), { ...(body === undefined ? { headers } : post), signal });
  } catch (error) {
    if (error instanceof TypeError) throw new CallError("No connection to fulltape.", 0);
    throw error;
  }
}

async function errorOf(response: Response): Promise<CallError> {
  const problem = (await response.json().catch(() => ({}))) as { detail?: string };
  const wait = response.headers.get("Retry-After");
  const detail = problem.detail ?? `fulltape answered with HTTP ${response.status}.`;
  return new CallError(detail, response.status, wait === null ? null : Number(wait));
}
