/** Where answers and chatter go. Answers go to stdout, progress and errors to stderr, so that a pipe carries the answer alone. */
import { createInterface } from 'node:readline/promises';
import pc from 'picocolors';

/** How an answer is drawn: colours, and the width of the page (80 where nothing is said). */
export type Paint = ReturnType<typeof pc.createColors> & { readonly columns?: number | undefined };

/** What every terminal has, and what is taken where there is none. */
export const USUAL_COLUMNS = 80;

export interface Terminal {
  /** Answers. */
  out(text: string): void;
  /** Progress and errors. */
  err(text: string): void;
  /** Colours and width of stdout. */
  readonly paint: Paint;
  /** Somebody watches stderr: spinners may turn. */
  readonly isInteractive: boolean;
  /** Somebody watches stdout. */
  readonly isOutputWatched: boolean;
  /** Somebody can answer. */
  readonly canAsk: boolean;
  ask(question: string): Promise<string>;
  clear(): void;
}

export function openTerminal(environment: Readonly<Record<string, string | undefined>> = process.env): Terminal {
  const isOutputWatched = process.stdout.isTTY === true;
  return {
    out: (text) => void process.stdout.write(`${text}\n`),
    err: (text) => void process.stderr.write(`${text}\n`),
    paint: {
      ...pc.createColors(wantsColours(environment, isOutputWatched)),
      columns: columnsOf(environment, process.stdout.columns),
    },
    isInteractive: process.stderr.isTTY === true && environment.CI === undefined && environment.TERM !== 'dumb',
    isOutputWatched,
    canAsk: process.stdin.isTTY === true && process.stderr.isTTY === true,
    ask: async (question) => {
      const reader = createInterface({ input: process.stdin, output: process.stderr });
      try {
        return await reader.question(question);
      } finally {
        reader.close();
      }
    },
    // Cursor home and clear to the end: the last picture stays in the scroll-back once.
    clear: () => void process.stdout.write('\u001b[H\u001b[2J'),
  };
}

/** https://no-color.org: any value that is not empty counts. */
export function wantsColours(environment: Readonly<Record<string, string | undefined>>, isTty: boolean): boolean {
  if ((environment.NO_COLOR ?? '') !== '') return false;
  if ((environment.FORCE_COLOR ?? '') !== '') return environment.FORCE_COLOR !== '0';
  return isTty && environment.TERM !== 'dumb';
}

/** Of the terminal; of $COLUMNS where there is none; else 80. Below 60 nothing fits that can be read. */
export function columnsOf(
  environment: Readonly<Record<string, string | undefined>>,
  ofTerminal: number | undefined,
): number {
  const given = Number(environment.COLUMNS);
  return Math.max(60, ofTerminal ?? (Number.isInteger(given) && given > 0 ? given : USUAL_COLUMNS));
}
