/**
 * The operator's surface: `crossfade` commands as they would be typed, run through the CLI itself (parse, action, payload), and
 * their answers as `--json` gives them. The demo reaches Crossfade in no other way.
 */
import { readFile, writeFile } from 'node:fs/promises';
import pc from 'picocolors';
import { systemClock } from '../adapters/system-clock.ts';
import type { RunView } from '../application/operate/run-view.ts';
import { connect } from '../cli/connect.ts';
import type { ExitCode } from '../cli/exit-codes.ts';
import type { RunAnswer } from '../cli/follow.ts';
import { main } from '../cli/main.ts';
import type { Terminal } from '../cli/terminal.ts';
import type { Story } from './story.ts';
import { wordsOf } from './words.ts';

export interface CommandAnswer<Payload = unknown> {
  readonly exit: ExitCode;
  readonly payload: Payload;
}

export type Chatter = 'told' | 'passing';

export interface Commands {
  /** Runs it and shows it. Its chatter becomes notes of the story, or passes by in the live line when it was told before. */
  run<Payload = unknown>(line: string, chatter?: Chatter): Promise<CommandAnswer<Payload>>;
  /** The same without a word: for looking. */
  ask<Payload = unknown>(line: string): Promise<CommandAnswer<Payload>>;
}

export function createCommands(story: Story, environment: Readonly<Record<string, string | undefined>>): Commands {
  const execute = async <Payload>(line: string, say: (text: string) => void): Promise<CommandAnswer<Payload>> => {
    const answers: string[] = [];
    const complaints: string[] = [];
    const terminal = silentTerminal(answers, (text) => {
      complaints.push(text);
      say(text);
    });
    const world = {
      terminal,
      clock: systemClock,
      environment,
      readFile: (path: string) => readFile(path, 'utf8'),
      writeFile: (path: string, text: string) => writeFile(path, text),
    };
    const never = new AbortController();
    const exit = await main([...wordsOf(line), '--json', '--yes'], {
      ...world,
      interrupted: () => never.signal,
      connect: (options) => connect({ ...world, options }),
    });
    const text = answers.at(-1);
    if (text === undefined)
      throw new Error(`crossfade ${line} gave no answer: ${complaints.join(' ') || `exit ${exit}`}`);
    // What --json prints is the action's payload; the caller names its type.
    return { exit, payload: JSON.parse(text) as Payload };
  };
  return {
    run: (line, chatter = 'told') => {
      // On a terminal `--wait` is what happens anyway.
      story.command(`npx crossfade ${line.replace(/ --wait$/, '')}`);
      return execute(line, createChatter(story, chatter));
    },
    ask: (line) => execute(line, () => {}),
  };
}

/** What a command that starts or follows a run answers. */
export type { RunAnswer, RunView };

/** Steps of a run, as the CLI tells them; errors come as the command's answer. Lists are cut short. */
function createChatter(story: Story, chatter: Chatter): (text: string) => void {
  let like = { start: '', count: 0 };
  return (text) => {
    const line = text.trim();
    if (line === '' || line.startsWith('next:') || line.startsWith('crossfade:')) return;
    const shown = line.replace(/^\d\d:\d\d:\d\dZ?\s+/, '· ');
    if (chatter === 'passing') {
      story.live(shown);
      return;
    }
    const start = shown.split(' ').slice(0, 3).join(' ');
    like = { start, count: like.start === start ? like.count + 1 : 1 };
    if (like.count <= MOST_ALIKE) story.note(shown);
    else if (like.count === MOST_ALIKE + 1) story.note('  … and more like it');
  };
}

/** Lines that begin with the same three words. */
const MOST_ALIKE = 3;

function silentTerminal(answers: string[], err: (text: string) => void): Terminal {
  return {
    out: (text) => void answers.push(text),
    err,
    paint: pc.createColors(false),
    isInteractive: false,
    isOutputWatched: false,
    canAsk: false,
    ask: async () => 'no',
    clear: () => {},
  };
}
