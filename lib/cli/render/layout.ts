/** The few shapes that every answer is made of: tables without borders, marked lines, ages. */
import Table from 'cli-table3';
import { formatSpan } from '../../application/operate/format-span.ts';
import type { Paint } from '../terminal.ts';

export const BORDERLESS = Object.fromEntries(
  [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
    'left',
    'left-mid',
    'mid',
    'mid-mid',
    'right',
    'right-mid',
    'middle',
  ].map((part) => [part, part === 'middle' ? '  ' : '']),
);

export function table(paint: Paint, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const drawn = new Table({
    head: head.map((title) => paint.dim(title)),
    chars: BORDERLESS,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0, compact: true },
  });
  for (const row of rows) drawn.push([...row]);
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** `name  value` lines under one another; pairs without a value are left out. */
export function facts(paint: Paint, pairs: readonly (readonly [string, string | null])[]): string {
  const shown = pairs.filter((pair): pair is readonly [string, string] => pair[1] !== null);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${paint.dim(name.padEnd(width))}  ${value}`).join('\n');
}

export function section(paint: Paint, title: string, body: string): string {
  return body === '' ? '' : `${paint.bold(title)}\n${indent(body)}`;
}

/** Parts apart by an empty line; empty parts are left out. */
export function stack(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('\n\n');
}

/** Lines that fit into 80 columns when they are indented; what is carried over from an item of a list stands under its text. */
export function wrap(text: string, width = 76): string {
  const hang = text.startsWith('- ') ? '  ' : '';
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > width) {
      lines.push(line);
      line = `${hang}${word}`;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join('\n');
}

export function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? line : `  ${line}`))
    .join('\n');
}

/** `2026-01-05 12:00:00Z`: one zone everywhere, because two people on call sit in two. */
export function time(iso: string): string {
  return iso === '' ? '-' : `${iso.slice(0, 19).replace('T', ' ')}Z`;
}

export function age(iso: string, now: string): string {
  return `${formatSpan(Math.max(0, Date.parse(now) - Date.parse(iso)))} ago`;
}

export function scopeText(scope: readonly string[]): string {
  if (scope.length === 0) return 'all tenants';
  return scope.length <= 8 ? scope.join(', ') : `${scope.slice(0, 8).join(', ')} and ${scope.length - 8} more`;
}

/** The last part of an ARN says who to people; the whole is in --json. */
export function who(arn: string): string {
  return arn.startsWith('arn:') ? arn.split(':').slice(5).join(':') || arn : arn;
}

const OUTCOME_COLOURS: Readonly<Record<string, 'green' | 'red' | 'yellow' | 'cyan'>> = {
  passed: 'green',
  'rolled-back': 'green',
  ok: 'green',
  approved: 'green',
  running: 'cyan',
  refused: 'yellow',
  differences: 'yellow',
  waiting: 'yellow',
  warning: 'yellow',
  halted: 'red',
  failed: 'red',
  rejected: 'red',
};

export function outcome(paint: Paint, word: string): string {
  const colour = OUTCOME_COLOURS[word];
  return colour === undefined ? word : paint[colour](word);
}
