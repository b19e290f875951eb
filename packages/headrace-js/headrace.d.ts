export interface ToolCall {
  readonly index: number;
  readonly id: string;
  readonly name: string;
  /** The arguments so far, as JSON text. */
  readonly arguments: string;
  /** The arguments so far, as a value; undefined after the end if they are not JSON. */
  readonly parsed: unknown;
  readonly isDone: boolean;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details?: {cached_tokens?: number};
  completion_tokens_details?: {reasoning_tokens?: number};
}

export interface ServerError {
  message: string;
  code: string;
}

export type Event =
  /** `position` in the queue, from 1; 0 after the queue. */
  | {type: "queued"; position: number}
  /** Tokens of the prompt. */
  | {type: "prefill"; processed: number; total: number}
  | {type: "reasoning.delta"; delta: string}
  | {type: "content.delta"; delta: string}
  | {type: "tool_call.start"; call: ToolCall}
  | {type: "tool_call.arguments.delta"; call: ToolCall; delta: string}
  | {type: "tool_call.done"; call: ToolCall}
  | {type: "usage"; usage: Usage}
  | {type: "finish"; reason: string}
  | {type: "error"; error: ServerError}
  /** `delay` in ms. */
  | {type: "reconnect"; delay: number; attempt: number; error: HeadraceError}
  | {type: "restart"};

export interface AssistantMessage {
  role: "assistant";
  content: string;
  reasoning_content?: string;
  tool_calls?: {id: string; type: "function"; function: {name: string; arguments: string}}[];
}

/** The JSON of a `Completion`. */
export interface StoredCompletion {
  id: string | null;
  requestId: string | null;
  lastEventId: string;
  model: string | null;
  created: number | null;
  reasoning: string;
  content: string;
  toolCalls: Omit<ToolCall, "parsed">[];
  usage: Usage | null;
  finishReason: string | null;
  error: ServerError | null;
}

export class Completion implements StoredCompletion {
  constructor(stored?: Partial<StoredCompletion>);
  readonly id: string | null;
  readonly requestId: string | null;
  readonly lastEventId: string;
  readonly model: string | null;
  readonly created: number | null;
  readonly reasoning: string;
  readonly content: string;
  readonly toolCalls: ToolCall[];
  readonly usage: Usage | null;
  readonly finishReason: string | null;
  readonly error: ServerError | null;
  readonly isComplete: boolean;
  readonly message: AssistantMessage;
  add(eventId: string, chunk: object): Event[];
  fail(error: {message?: string; code?: string | number}): Event[];
  end(): Event[];
  clear(): void;
}

export interface ClientOptions {
  baseUrl?: string;
  apiKey?: string;
  headers?: Record<string, string>;
  fetch?: typeof fetch;
  maxRetries?: number;
  /** In ms. */
  retryTimeout?: number;
  /** In ms. */
  keepAlive?: number;
}

export interface RunningTurn {
  id: string;
  request_id: string;
  /** In seconds since 1970. */
  created: number;
  status: "running";
}

export class Client {
  constructor(options?: ClientOptions);
  stream(request: object, options?: {requestId?: string; linger?: number; signal?: AbortSignal}): CompletionStream;
  resume(turn: string, options?: {completion?: Partial<StoredCompletion>; signal?: AbortSignal}): CompletionStream;
  stop(turn: string): Promise<unknown>;
  turns(): Promise<RunningTurn[]>;
  urlOf(turn?: string | null): string;
  request(
    method: string,
    url: string,
    options?: {headers?: Record<string, string>; body?: string; signal?: AbortSignal},
  ): Promise<Response>;
}

export class CompletionStream implements AsyncIterable<Event> {
  private constructor();
  readonly completion: Completion;
  readonly requestId: string | null;
  [Symbol.asyncIterator](): AsyncGenerator<Event, void, void>;
  stop(): Promise<void>;
  final(): Promise<Completion>;
}

export class HeadraceError extends Error {
  constructor(
    message: string,
    options?: {status?: number; code?: string; retryAfter?: number | null; isRetryable?: boolean; cause?: unknown},
  );
  /** The HTTP status; 0 if there was no response, or it was a stream. */
  readonly status: number;
  readonly code: string;
  /** In seconds. */
  readonly retryAfter: number | null;
  readonly isRetryable: boolean;
}

export interface ServerSentEvent {
  data: string;
  event: string;
  id: string;
}

export class SseDecoder {
  lastEventId: string;
  retry: number | null;
  comment: string;
  feed(bytes: Uint8Array): ServerSentEvent[];
}

export class PartialJson {
  feed(text: string): void;
  readonly value: unknown;
}
