/** What the tests of the documents read off a Markdown file: headings, links, fenced blocks. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

export const CHECKOUT = join(import.meta.dirname, '../..');

export interface Document {
  /** Relative to the checkout. */
  readonly file: string;
  readonly text: string;
  /** The text without its fenced blocks. */
  readonly prose: string;
  readonly headings: readonly Heading[];
  readonly blocks: readonly Block[];
}

export interface Heading {
  readonly level: number;
  readonly title: string;
  /** What stands under it, up to the next heading of any level. */
  readonly body: string;
}

export interface Block {
  readonly language: string;
  readonly lines: readonly string[];
  /** Stands behind `<!-- aws-only -->`: it needs an AWS account, or an administrator's programs. */
  readonly awsOnly: boolean;
}

export const AWS_ONLY = '<!-- aws-only -->';

export function readDocuments(): readonly Document[] {
  return ['README.md', 'CHANGELOG.md', ...globSync('docs/**/*.md', { cwd: CHECKOUT })].toSorted().map(readDocument);
}

export function readDocument(file: string): Document {
  const text = readFileSync(join(CHECKOUT, file), 'utf8');
  const prose = text.replaceAll(FENCED, '');
  return { file, text, prose, headings: headingsOf(prose), blocks: blocksOf(text) };
}

/** Targets of links within the checkout, as written. */
export function linksOf({ prose }: Document): readonly string[] {
  return [...prose.matchAll(/\]\((?<target>[^)\s]+)\)/g)]
    .map((match) => match.groups?.target ?? '')
    .filter((target) => !/^[a-z]+:/.test(target));
}

/** @returns why a link of `document` leads nowhere, or undefined. */
export function brokenLink(document: Document, target: string): string | undefined {
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? document.file : relative(CHECKOUT, join(CHECKOUT, dirname(document.file), path));
  if (!existsSync(join(CHECKOUT, file))) return `${document.file}: ${target}: ${file} is not there`;
  if (anchor === undefined || !file.endsWith('.md')) return undefined;
  const anchors = readDocument(file).headings.map(({ title }) => anchorOf(title));
  return anchors.includes(anchor) ? undefined : `${document.file}: ${target}: ${file} has no section #${anchor}`;
}

/** The anchor that Markdown renderers give a heading. */
export function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

const FENCED = /^(?:```|~~~).*\n[\s\S]*?^(?:```|~~~)$/gm;

function headingsOf(prose: string): readonly Heading[] {
  const parts = prose.split(/^(#{1,6} .+)$/m).slice(1);
  return parts.flatMap((line, index) => {
    const match = /^(?<marks>#+) (?<title>.+)$/.exec(line);
    if (index % 2 === 1 || match?.groups === undefined) return [];
    const { marks = '', title = '' } = match.groups;
    return [{ level: marks.length, title: title.trim(), body: parts[index + 1] ?? '' }];
  });
}

function blocksOf(text: string): readonly Block[] {
  return [...text.matchAll(/^(?<before>.*)\n*^```(?<language>\w*)\n(?<body>[\s\S]*?)^```$/gm)].map(({ groups }) => ({
    language: groups?.language ?? '',
    lines: joinContinued(groups?.body ?? ''),
    awsOnly: groups?.before?.trim() === AWS_ONLY,
  }));
}

function joinContinued(body: string): readonly string[] {
  return body
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}
