/** The story that the demo tells in the terminal: calm, one line a fact, with the time since the start. The report tells it again. */
import pc from 'picocolors';

export const EVENT_KINDS = ['section', 'command', 'result', 'refusal', 'mishap', 'healed', 'note', 'failure'] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

export interface StoryEvent {
  readonly kind: EventKind;
  /** Milliseconds since the start. */
  readonly at: number;
  readonly text: string;
}

export interface Story {
  readonly events: readonly StoryEvent[];
  elapsedMs(): number;
  /** A heading without a time. */
  banner(lines: readonly string[]): void;
  section(title: string, about: string): void;
  /** As an operator would type it. */
  command(text: string): void;
  result(text: string): void;
  refusal(text: string): void;
  mishap(text: string): void;
  healed(text: string): void;
  note(text: string): void;
  failure(text: string): void;
  /** What is happening right now: one line that is rewritten on a terminal, a line now and then elsewhere. */
  live(text: string): void;
  /** Lines without a time, e.g. a table. */
  plain(text: string): void;
}

export interface StoryOutput {
  write(text: string): void;
  /** Lines can be rewritten. */
  readonly isTerminal: boolean;
  readonly columns: () => number;
}

type Paint = ReturnType<typeof pc.createColors>;

/** Without a terminal a sign of life this often. */
const PLAIN_LIVE_EVERY_MS = 10_000;
const CLEAR_LINE = '\r\u001b[2K';

export function createStory(
  output: StoryOutput,
  now: () => number,
  paint: Paint = pc.createColors(output.isTerminal),
): Story {
  const startedAt = now();
  const events: StoryEvent[] = [];
  let hasLive = false;
  let plainLiveAt = Number.NEGATIVE_INFINITY;
  const elapsedMs = () => now() - startedAt;
  const print = (text: string) => {
    output.write(`${hasLive ? CLEAR_LINE : ''}${text}\n`);
    hasLive = false;
  };
  const tell = (kind: EventKind, mark: string, text: string, style: (text: string) => string = (plain) => plain) => {
    events.push({ kind, at: elapsedMs(), text });
    plainLiveAt = elapsedMs();
    print(`${paint.dim(formatElapsed(elapsedMs()))}  ${mark} ${style(text)}`);
  };
  return {
    events,
    elapsedMs,
    banner: (lines) => {
      for (const line of lines) print(line);
    },
    section: (title, about) => {
      print('');
      events.push({ kind: 'section', at: elapsedMs(), text: title });
      print(`${paint.dim(formatElapsed(elapsedMs()))}  ${paint.bold(title)}  ${paint.dim(about)}`);
    },
    command: (text) => tell('command', paint.dim('$'), text, paint.cyan),
    result: (text) => tell('result', paint.green('✓'), text),
    refusal: (text) => tell('refusal', paint.yellow('✋'), text),
    mishap: (text) => tell('mishap', paint.red('⚡'), text, paint.red),
    healed: (text) => tell('healed', paint.green('♥'), text, paint.green),
    note: (text) => tell('note', ' ', text, paint.dim),
    failure: (text) => tell('failure', paint.red('✗'), text, paint.red),
    live: (text) => {
      const line = `${formatElapsed(elapsedMs())}  … ${text}`;
      if (output.isTerminal) {
        output.write(`${CLEAR_LINE}${paint.dim(line.slice(0, Math.max(20, output.columns() - 1)))}`);
        hasLive = true;
      } else if (elapsedMs() - plainLiveAt >= PLAIN_LIVE_EVERY_MS) {
        plainLiveAt = elapsedMs();
        output.write(`${line}\n`);
      }
    },
    plain: print,
  };
}

/** `4:07`. */
export function formatElapsed(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${String(Math.floor(seconds / 60)).padStart(2)}:${String(seconds % 60).padStart(2, '0')}`;
}
