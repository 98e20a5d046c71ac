/** The few shapes that every answer is made of: tables without borders, marked lines, ages. */
import { stripVTControlCharacters } from 'node:util';
import Table from 'cli-table3';
import { formatSpan } from '../../application/operate/format-span.ts';
import { type Paint, USUAL_COLUMNS } from '../terminal.ts';

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

/** Tables and facts mostly stand in a section. */
const INDENT = 2;
const GAP = 2;
/** A column of prose that is narrower is worse to read than a line of its own. */
const NARROWEST = 20;

/**
 * Fits the page: columns of prose are wrapped; where that is not enough, the columns that do not fit follow each row on lines of their own.
 * A key or an id is never broken: it is there to be copied.
 */
export function table(paint: Paint, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const room = pageWidth(paint) - INDENT;
  const widths = head.map((title, at) => Math.max(widthOf(title), ...rows.map((row) => widthOf(row[at] ?? ''))));
  if (total(widths) <= room) return draw(paint, head, rows);
  const narrowed = narrow(head, rows, widths, room);
  if (narrowed === undefined) return fold(paint, head, rows, widths, room);
  const wrapped = rows.map((row) => row.map((cell, at) => wrapLines(cell, narrowed[at] ?? room)));
  return draw(paint, head, wrapped);
}

function draw(paint: Paint, head: readonly string[], rows: readonly (readonly string[])[]): string {
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

/** @returns undefined when the columns cannot be made narrow enough without breaking a word. */
function narrow(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  natural: readonly number[],
  room: number,
): readonly number[] | undefined {
  const least = natural.map((width, at) => {
    const words = [head[at] ?? '', ...rows.flatMap((row) => wordsOf((row[at] ?? '').replaceAll('\n', ' ')))];
    return Math.min(width, Math.max(NARROWEST, ...words.map(widthOf)));
  });
  const widths = [...natural];
  for (let over = total(widths) - room; over > 0; over = total(widths) - room) {
    const slack = widths.map((width, at) => width - (least[at] ?? width));
    const widest = slack.indexOf(Math.max(...slack));
    const gives = Math.min(over, slack[widest] ?? 0);
    if (gives <= 0) return undefined;
    widths[widest] = (widths[widest] ?? 0) - gives;
  }
  return widths;
}

/** As many columns as fit; the others beneath each row, by name. */
function fold(
  paint: Paint,
  head: readonly string[],
  rows: readonly (readonly string[])[],
  widths: readonly number[],
  room: number,
): string {
  const fits = widths.findIndex((_, at) => total(widths.slice(0, at + 1)) > room);
  const kept = Math.max(1, fits);
  const [top = '', ...drawn] = draw(
    paint,
    head.slice(0, kept),
    // One line each, so that the lines beneath can be put between them.
    rows.map((row) => row.slice(0, kept).map((cell) => cell.replaceAll('\n', ' '))),
  ).split('\n');
  const beneath = rows.map((row) => {
    const named = row.slice(kept).flatMap((cell, at) => {
      const title = head[kept + at] ?? '';
      return cell === '' || cell === '-' ? [] : [title === '' ? cell : `${paint.dim(title)} ${cell}`];
    });
    return named.length === 0 ? [] : [indent(indent(wrapLines(named.join('; '), room - 2 * INDENT)))];
  });
  return [top, ...drawn.flatMap((line, at) => [line, ...(beneath[at] ?? [])])].join('\n');
}

function total(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, GAP * (widths.length - 1));
}

export function pageWidth({ columns = USUAL_COLUMNS }: Paint): number {
  return columns;
}

/** Of the longest line, without colours. */
function widthOf(text: string): number {
  return Math.max(...text.split('\n').map((line) => stripVTControlCharacters(line).length));
}

/** `name  value` lines under one another; pairs without a value are left out, and long values wrapped. */
export function facts(paint: Paint, pairs: readonly (readonly [string, string | null])[]): string {
  const shown = pairs.filter((pair): pair is readonly [string, string] => pair[1] !== null);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  const room = pageWidth(paint) - INDENT - width - GAP;
  const under = `\n${' '.repeat(width + GAP)}`;
  return shown
    .map(([name, value]) => `${paint.dim(name.padEnd(width))}  ${wrapLines(value, room).replaceAll('\n', under)}`)
    .join('\n');
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
  for (const word of wordsOf(text)) {
    if (line !== '' && widthOf(line) + widthOf(word) + 1 > width) {
      lines.push(line);
      line = `${hang}${word}`;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join('\n');
}

/** Each line of the text by itself. Lines that fit stay as they are. */
export function wrapLines(text: string, width = 76): string {
  return text
    .split('\n')
    .map((line) => (widthOf(line) <= width ? line : wrap(line, width)))
    .join('\n');
}

/** A row (its table and its key, blanks and all) is one word, and so are a moment and a percentage. */
function wordsOf(text: string): readonly string[] {
  return text.split(/(?<!\d{4}-\d\d-\d\d) (?!%|\[|[^[\]]*\])/);
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

/** Each line by itself: a colour that runs over a line would colour what stands beside it, too. */
export function paintLines(text: string, colour: (line: string) => string): string {
  return text.split('\n').map(colour).join('\n');
}

/** The same for every ARN within a text. */
export function shortArns(text: string): string {
  return text.replaceAll(/\barn:[^\s,;)]*[^\s,;:.)]/g, who);
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
