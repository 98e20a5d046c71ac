/** Says that work goes on: a spinner where somebody watches, plain lines where not. All of it on stderr. */
import ora from 'ora';
import type { Terminal } from './terminal.ts';

export interface Progress {
  /** What is being done right now; replaces what was said before. */
  say(text: string): void;
  /** Something that happened and stays on the screen. */
  note(text: string): void;
  end(): void;
}

/** Faster work needs no progress. */
const QUIET_MS = 2_000;
/** Plain logs get a sign of life this often. */
const PLAIN_EVERY_MS = 30_000;

export function startProgress(terminal: Terminal): Progress {
  return terminal.isInteractive ? spinning(terminal) : plain(terminal);
}

/** Runs `work`; says `text` when it takes longer than two seconds. */
export async function withProgress<T>(terminal: Terminal, text: string, work: Promise<T>): Promise<T> {
  let progress: Progress | undefined;
  const timer = setTimeout(() => {
    progress = startProgress(terminal);
    progress.say(text);
  }, QUIET_MS);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
    progress?.end();
  }
}

function spinning(terminal: Terminal): Progress {
  const spinner = ora({ stream: process.stderr, discardStdin: false });
  return {
    say: (text) => {
      spinner.text = text;
      if (!spinner.isSpinning) spinner.start();
    },
    note: (text) => {
      const wasSpinning = spinner.isSpinning;
      if (wasSpinning) spinner.stop();
      terminal.err(text);
      if (wasSpinning) spinner.start();
    },
    end: () => {
      spinner.stop();
    },
  };
}

function plain(terminal: Terminal): Progress {
  let saidAt = Number.NEGATIVE_INFINITY;
  return {
    say: (text) => {
      if (performance.now() - saidAt < PLAIN_EVERY_MS) return;
      saidAt = performance.now();
      terminal.err(text);
    },
    note: (text) => {
      saidAt = performance.now();
      terminal.err(text);
    },
    end: () => undefined,
  };
}
