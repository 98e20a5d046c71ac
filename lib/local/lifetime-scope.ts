/**
 * What was started is ended in reverse order: on close, on SIGINT, SIGTERM and SIGHUP, and when setting up fails half way.
 * Attached services also have a guard (spawn-service.ts) for the ends that no handler sees.
 */
export interface LifetimeScope {
  /** Registers how to end what was just started. */
  defer(end: () => Promise<void> | void): void;
  /** Ends everything, latest first; every end is tried even when one fails. Safe to call twice. */
  close(): Promise<void>;
  /** Leaves everything running and stops listening to signals: for services that outlive this process. */
  release(): void;
  /** Aborts when a signal arrives or the scope closes: for work that should not go on then. */
  readonly signal: AbortSignal;
}

/** Exit code of a process ended by a signal: 128 + its number. */
const SIGNAL_EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

const REPEAT_MS = 1_000;

export function openLifetimeScope(
  options: { readonly onSignal?: ((signal: string) => void) | undefined } = {},
): LifetimeScope {
  const ends: (() => Promise<void> | void)[] = [];
  const abort = new AbortController();
  let closing: Promise<void> | undefined;
  let interruptedAt: number | undefined;
  const unlisten = () => {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };
  const close = () => {
    abort.abort();
    closing ??= endAll(ends).finally(unlisten);
    return closing;
  };
  const handlers = Object.entries(SIGNAL_EXIT_CODES).map(([signal, code]) => {
    const handler = () => {
      const now = performance.now();
      // One Ctrl-C may arrive twice: from the terminal and from the program that started this one.
      if (interruptedAt !== undefined && now - interruptedAt < REPEAT_MS) return;
      // A second one while closing ends at once; the guards then end the services.
      if (interruptedAt !== undefined) process.exit(code);
      interruptedAt = now;
      options.onSignal?.(signal);
      close().then(
        () => process.exit(code),
        () => process.exit(code),
      );
    };
    process.on(signal, handler);
    return [signal, handler] as const;
  });
  return {
    defer: (end) => {
      // Started while closing: nothing will come back for it, so it ends now.
      if (closing !== undefined) void Promise.resolve(end()).catch(() => {});
      else ends.push(end);
    },
    close,
    release: () => {
      ends.length = 0;
      unlisten();
    },
    signal: abort.signal,
  };
}

async function endAll(ends: (() => Promise<void> | void)[]): Promise<void> {
  const failures: unknown[] = [];
  for (let end = ends.pop(); end !== undefined; end = ends.pop()) {
    try {
      await end();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, `${failures.length} services could not be ended`);
}
