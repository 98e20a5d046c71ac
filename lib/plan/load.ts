/** Reads a plan file: YAML text in, a checked plan out, or every fault with its file, line and column. */
import { type Document, isScalar, LineCounter, parseDocument, visit } from 'yaml';
import { checkPlan } from './check.ts';
import { type Finding, finding, type PlanPath } from './findings.ts';
import { findLiteralSecrets } from './literal-secrets.ts';
import { locate, type Position } from './positions.ts';
import type { Plan } from './schema.ts';

export interface PlanIssue extends Position {
  readonly file: string;
  /** `reconcile.gate.for`; empty for the file as a whole. */
  readonly path: string;
  /** What is expected. */
  readonly message: string;
}

export class PlanError extends Error {
  override readonly name = 'PlanError';
  readonly issues: readonly PlanIssue[];

  constructor(issues: readonly PlanIssue[]) {
    super(renderPlanIssues(issues));
    this.issues = issues;
  }
}

const LARGEST_FILE = 1024 * 1024;
/** Nodes that aliases may stand for, all in all, before the file is taken for an expansion attack. */
const MOST_ALIASES = 100;
const START: Position = { line: 1, column: 1 };

/**
 * @param yamlText YAML 1.2, so also JSON; one document
 * @param fileName only named in issues
 * @throws {PlanError} with all issues, in the order of the file
 */
export function loadPlan(yamlText: string, fileName: string): Plan {
  const lines = new LineCounter();
  const issueAt = ({ line, column }: Position, message: string, path: PlanPath = []): PlanIssue => ({
    file: fileName,
    line,
    column,
    path: path.join('.'),
    message,
  });
  if (yamlText.length > LARGEST_FILE) throw new PlanError([issueAt(START, 'expected a plan of at most 1 MiB')]);

  const document = parseDocument(yamlText, {
    lineCounter: lines,
    prettyErrors: false,
    strict: true,
    stringKeys: false,
  });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0)
    throw new PlanError(
      faults.map((fault) => issueAt(positionOf(lines, fault.pos[0]), describeSyntaxFault(fault.code, fault.message))),
    );
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === null)) {
    throw new PlanError([
      issueAt(
        START,
        'the file is empty; expected a mapping with name, environment, legacy, target, tenants and tables',
      ),
    ]);
  }

  const unresolved = findUnresolvedAliases(document);
  if (unresolved.length > 0) {
    const message =
      'nothing in this file is named by an anchor for this alias; put text that begins with * into quotes';
    throw new PlanError(unresolved.map((offset) => issueAt(positionOf(lines, offset), message)));
  }
  const values = toValues(document);
  if ('fault' in values) throw new PlanError([issueAt(START, values.fault)]);
  const checked = checkPlan(values.raw);
  const findings = [
    ...findKeysWithoutQuotes(document),
    ...findLiteralSecrets(values.raw),
    ...('findings' in checked ? checked.findings : []),
  ];
  if (findings.length === 0 && 'plan' in checked) return checked.plan;
  const issues = onePerPath(findings).map((found) =>
    issueAt(locate(document, lines, found.path, found.at), found.message, found.path),
  );
  throw new PlanError(issues.sort((left, right) => left.line - right.line || left.column - right.column));
}

/** One line an issue, as compilers print them: `plan.yaml:12:5 reconcile.gate.for: expected …`. */
export function renderPlanIssues(issues: readonly PlanIssue[]): string {
  return issues
    .map(
      ({ file, line, column, path, message }) =>
        `${file}:${line}:${column} ${path === '' ? '' : `${path}: `}${message}`,
    )
    .join('\n');
}

function toValues(document: Document): { readonly raw: unknown } | { readonly fault: string } {
  try {
    return { raw: document.toJS({ maxAliasCount: MOST_ALIASES }) };
  } catch {
    return { fault: `aliases stand for too much; expected at most ${MOST_ALIASES} uses of what anchors name` };
  }
}

function findUnresolvedAliases(document: Document): readonly number[] {
  const offsets: number[] = [];
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) === undefined) offsets.push(alias.range?.[0] ?? 0);
    },
  });
  return offsets;
}

/** YAML reads `010:` as the number 8 or 10 and `2024-01-01:` as it likes; a name that matters is text. */
function findKeysWithoutQuotes(document: Document): Finding[] {
  const findings: Finding[] = [];
  visit(document, {
    Pair(_, pair, ancestors) {
      if (isScalar(pair.key) && typeof pair.key.value === 'string') return;
      findings.push(
        finding(
          [...pathOf(ancestors), String(isScalar(pair.key) ? pair.key.value : pair.key)],
          'expected a key that is text; put it into quotes',
          'key',
        ),
      );
    },
  });
  return findings;
}

function pathOf(ancestors: readonly unknown[]): string[] {
  return ancestors.flatMap((node) => {
    if (typeof node !== 'object' || node === null || !('key' in node)) return [];
    return isScalar(node.key) ? [String(node.key.value)] : [];
  });
}

/** The first finding on a path is the most telling; more on the same path would repeat it. */
function onePerPath(findings: readonly Finding[]): readonly Finding[] {
  const first = new Map<string, Finding>();
  for (const found of findings) {
    const path = JSON.stringify(found.path);
    if (!first.has(path)) first.set(path, found);
  }
  return [...first.values()];
}

function positionOf(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

function describeSyntaxFault(code: string, message: string): string {
  if (code === 'TAB_AS_INDENT') return 'a tab indents this line; expected spaces';
  if (code === 'DUPLICATE_KEY') return 'this key stands twice in one mapping; expected it once';
  if (code === 'MULTIPLE_DOCS') return 'expected one document; a second one begins here';
  // Some messages end in the offending text, which could be a secret.
  return message.split(/\n|: "/)[0] ?? message;
}
