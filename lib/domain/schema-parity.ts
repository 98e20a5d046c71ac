/**
 * What differs between the two stores' tables and is not declared in the plan (guide, phase 1: "schema diff returns zero
 * deltas"; prior art, traps 13, 21). A declared difference is a column that the plan maps, drops, or gives to the target, and
 * everything that stands on such a column. Names of constraints and indexes are no part of it: what they do is.
 */
import type { ColumnPlanKind, StoreTable, TableIndex, TableLink, TableRule } from './store-table.ts';
import { fitOf } from './type-parity.ts';

export const DELTA_KINDS = [
  'column',
  'type',
  'nullability',
  'default',
  'primary-key',
  'unique',
  'index',
  'foreign-key',
  'check',
  'collation',
  'enum',
  'sequence',
  'trigger',
  'row-security',
  'persistence',
  'mapping',
] as const;
export type DeltaKind = (typeof DELTA_KINDS)[number];

export interface SchemaDelta {
  readonly table: string;
  readonly kind: DeltaKind;
  /** What differs and what to do about it. */
  readonly reason: string;
}

/** What the plan says of a table's columns. */
export interface Declarations {
  /** Keyed as in the plan: by target column, dropped ones by legacy column. */
  readonly columns: Readonly<Record<string, ColumnPlanKind>>;
  /** `from` of mapped and one-way columns, by target column. */
  readonly from: Readonly<Record<string, string>>;
  /** Type that `from` yields, by target column; absent when it could not be prepared. */
  readonly expressionTypes: Readonly<Record<string, string>>;
}

export interface Parity {
  readonly deltas: readonly SchemaDelta[];
  /** Differences that lose nothing. */
  readonly notes: readonly string[];
}

export function compareTables(legacy: StoreTable, target: StoreTable, declared: Declarations): Parity {
  const found: Found = { table: legacy.name, deltas: [], notes: [] };
  const touched = touchedColumns(legacy.columns, declared);
  compareColumns(found, legacy, target, declared, touched);
  compareMappings(found, target, declared);
  const renamed = (column: string) => touched.renames.get(column) ?? column;
  compareIndexes(found, legacy, target, touched, renamed);
  compareLinks(found, legacy, target, touched, renamed);
  compareRules(found, legacy, target, touched);
  compareTypes(found, legacy, target);
  compareTriggers(found, legacy, target, declared);
  compareFacts(found, legacy, target);
  return { deltas: found.deltas, notes: found.notes };
}

interface Named {
  readonly name: string;
}

/** Columns of legacy that nothing carries to the target: not there by name, not read by a mapping, not dropped by the plan. */
export function uncarriedColumns(
  legacy: readonly Named[],
  target: readonly Named[],
  declared: Pick<Declarations, 'columns' | 'from'>,
): readonly string[] {
  const touched = touchedColumns(legacy, declared);
  return legacy.flatMap(({ name }) => {
    const carried =
      target.some((candidate) => candidate.name === name) || touched.renames.has(name) || touched.legacy.has(name);
    return carried ? [] : [name];
  });
}

interface Found {
  readonly table: string;
  readonly deltas: SchemaDelta[];
  readonly notes: string[];
}

/** Columns whose difference is declared, on each side; plain renames are compared under their new name. */
interface Touched {
  readonly legacy: ReadonlySet<string>;
  readonly target: ReadonlySet<string>;
  readonly renames: ReadonlyMap<string, string>;
}

const BARE_COLUMN = /^[A-Za-z_][\w$]*$|^"(?:[^"]|"")+"$/;

function touchedColumns(legacy: readonly Named[], { columns, from }: Pick<Declarations, 'columns' | 'from'>): Touched {
  const renames = new Map<string, string>();
  const onLegacy = new Set<string>();
  const onTarget = new Set<string>();
  for (const [column, kind] of Object.entries(columns)) {
    if (kind === 'dropped') onLegacy.add(column);
    else onTarget.add(column);
  }
  for (const [column, expression] of Object.entries(from)) {
    const bare = bareColumn(expression);
    const plain = bare !== undefined && legacy.some((candidate) => candidate.name === bare);
    if (plain && bare !== column) {
      renames.set(bare, column);
      onTarget.delete(column);
    }
    for (const candidate of legacy) if (!plain && mentions(expression, candidate.name)) onLegacy.add(candidate.name);
  }
  return { legacy: onLegacy, target: onTarget, renames };
}

function bareColumn(expression: string): string | undefined {
  const text = expression.trim();
  if (!BARE_COLUMN.test(text)) return undefined;
  return text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text.toLowerCase();
}

function mentions(expression: string, column: string): boolean {
  const bare = expression.replaceAll(/'(?:[^']|'')*'/g, ' ');
  const escaped = column.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`(?<![\\w$])${escaped}(?![\\w$])`, 'i').test(bare);
}

function compareColumns(
  found: Found,
  legacy: StoreTable,
  target: StoreTable,
  declared: Declarations,
  touched: Touched,
): void {
  for (const column of target.columns) {
    const kind = declared.columns[column.name];
    const source = [...touched.renames].find(([, to]) => to === column.name)?.[0] ?? column.name;
    const twin = legacy.columns.find((candidate) => candidate.name === source);
    if (kind === 'target-owned' || kind === 'dropped') {
      if (column.notNull && column.fill === 'none')
        say(
          found,
          'nullability',
          `target column ${column.name} is NOT NULL and legacy does not fill it; give it a default`,
        );
      continue;
    }
    if ((kind === 'mapped' || kind === 'one-way') && !touched.renames.has(source)) continue;
    if (twin === undefined) {
      say(
        found,
        'column',
        `column ${column.name} is only in the target; declare columns.${column.name} with \`from\` or \`owner: target\`, or remove it`,
      );
      continue;
    }
    const label = source === column.name ? `column ${column.name}` : `column ${source} (${column.name} in the target)`;
    compareType(found, label, twin.type, column.type);
    if (twin.notNull !== column.notNull)
      say(
        found,
        'nullability',
        `${label} is ${nullable(twin.notNull)} in legacy and ${nullable(column.notNull)} in the target`,
      );
    compareFill(found, label, twin, column);
    if (twin.collation !== column.collation || twin.deterministic !== column.deterministic)
      say(
        found,
        'collation',
        `${label} has collation ${twin.collation ?? 'default'} in legacy and ${column.collation ?? 'default'} in the target`,
      );
    if (twin.increment !== null && column.increment !== null && twin.increment !== column.increment)
      say(
        found,
        'sequence',
        `${label}: its sequence steps by ${twin.increment} in legacy and by ${column.increment} in the target`,
      );
  }
  for (const name of uncarriedColumns(legacy.columns, target.columns, declared)) {
    say(
      found,
      'column',
      `column ${name} is only in legacy; declare columns.${name} with \`drop: true\`, or add it to the target`,
    );
  }
}

function compareType(found: Found, label: string, from: string, to: string): void {
  const fit = fitOf(from, to);
  if (fit === 'wider')
    found.notes.push(
      `${found.table}: ${label} is ${from} in legacy and, wider, ${to} in the target; after switchover legacy refuses what only the target has room for`,
    );
  if (fit === 'narrower')
    say(
      found,
      'type',
      `${label} is ${from} in legacy and ${to} in the target, which has less room; widen it, or map it with an explicit cast`,
    );
  if (fit === 'different')
    say(
      found,
      'type',
      `${label} is ${from} in legacy and ${to} in the target; make them equal, or map the column with an explicit cast`,
    );
}

type Filled = StoreTable['columns'][number];

function compareFill(found: Found, label: string, legacy: Filled, target: Filled): void {
  const generated = [legacy.fill, target.fill].filter((fill) => fill === 'generated').length;
  if (generated === 1) {
    say(
      found,
      'default',
      `${label} is generated in ${legacy.fill === 'generated' ? 'legacy' : 'the target'} only; declare it with \`owner: target\` or make both alike`,
    );
    return;
  }
  if (legacy.fill === 'sequence' && target.fill === 'identity-always')
    say(
      found,
      'sequence',
      `${label} is GENERATED ALWAYS in the target and refuses the explicit values that legacy accepts; make it GENERATED BY DEFAULT`,
    );
  if (isNumbered(legacy) && isNumbered(target)) return;
  if (legacy.expression !== target.expression)
    say(found, 'default', `${label} has ${shown(legacy)} in legacy and ${shown(target)} in the target`);
}

function isNumbered({ fill }: Filled): boolean {
  return fill === 'sequence' || fill === 'identity-always' || fill === 'identity';
}

function shown({ fill, expression }: Filled): string {
  if (fill === 'identity' || fill === 'identity-always') return 'an identity';
  return expression === null
    ? 'no default'
    : `${fill === 'generated' ? 'the generated value' : 'the default'} ${expression}`;
}

function compareMappings(found: Found, target: StoreTable, { from, expressionTypes }: Declarations): void {
  for (const [name, expression] of Object.entries(from)) {
    const column = target.columns.find((candidate) => candidate.name === name);
    const type = expressionTypes[name];
    if (column === undefined || type === undefined || bareColumn(expression) !== undefined) continue;
    const fit = fitOf(type, column.type);
    // Text that is too long is refused by the target and not cut, so it is a matter of the rows: check-payloads.
    const refusedAloud = column.type.startsWith('character varying');
    if (fit === 'narrower' && !refusedAloud)
      say(
        found,
        'mapping',
        `columns.${name}.from yields ${type} and the column holds ${column.type}; cast it in the plan, so that the loss is meant`,
      );
    if (fit === 'different')
      say(
        found,
        'mapping',
        `columns.${name}.from yields ${type} and the column holds ${column.type}; cast it in the plan`,
      );
  }
}

function compareIndexes(
  found: Found,
  legacy: StoreTable,
  target: StoreTable,
  touched: Touched,
  renamed: (column: string) => string,
): void {
  const mine = legacy.indexes.filter((index) => !index.columns.some((column) => touched.legacy.has(column)));
  const theirs = target.indexes.filter((index) => !index.columns.some((column) => touched.target.has(column)));
  const wanted = new Map(mine.map((index) => [shapeOfIndex(index, renamed), index]));
  const present = new Map(theirs.map((index) => [shapeOfIndex(index, (column) => column), index]));
  for (const [shape, index] of wanted) {
    if (!present.has(shape))
      say(found, kindOfIndex(index), `${describeIndex(index)} of legacy is missing in the target; create it there`);
  }
  for (const [shape, index] of present) {
    if (!wanted.has(shape) && (index.unique || index.exclusion))
      say(
        found,
        kindOfIndex(index),
        `${describeIndex(index)} is only in the target, which may refuse rows that legacy accepts`,
      );
    else if (!wanted.has(shape)) found.notes.push(`${found.table}: ${describeIndex(index)} is only in the target`);
  }
  for (const index of target.indexes) {
    if (!index.valid)
      say(
        found,
        kindOfIndex(index),
        `${describeIndex(index)} of the target is invalid; run REINDEX INDEX CONCURRENTLY ${index.name}`,
      );
  }
}

function kindOfIndex(index: TableIndex): DeltaKind {
  if (index.primary) return 'primary-key';
  return index.unique || index.exclusion ? 'unique' : 'index';
}

function describeIndex(index: TableIndex): string {
  const what = index.primary ? 'the primary key' : index.unique ? 'the unique index' : 'the index';
  return `${what} ${index.name} (${index.parts.join(', ')})${index.predicate === null ? '' : ` where ${index.predicate}`}`;
}

function shapeOfIndex(index: TableIndex, renamed: (column: string) => string): string {
  const { unique, primary, exclusion, method, predicate, nullsEqual } = index;
  return JSON.stringify([
    unique,
    primary,
    exclusion,
    method,
    index.parts.map((part) => renamePart(part, renamed)),
    predicate,
    nullsEqual,
  ]);
}

/** A part is a column, perhaps with DESC behind it, or an expression. */
function renamePart(part: string, renamed: (column: string) => string): string {
  const plain = /^("(?:[^"]|"")+"|[A-Za-z_][\w$]*)( DESC)?$/.exec(part);
  if (plain === null) return part;
  const name = plain[1] ?? '';
  return `${renamed(name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name)}${plain[2] ?? ''}`;
}

function compareLinks(
  found: Found,
  legacy: StoreTable,
  target: StoreTable,
  touched: Touched,
  renamed: (column: string) => string,
): void {
  const shape = (link: TableLink, rename: (column: string) => string) =>
    JSON.stringify([link.columns.map(rename), link.parent, link.parentColumns, link.actions, link.deferrable]);
  const wanted = new Map(
    legacy.links
      .filter((link) => !link.columns.some((column) => touched.legacy.has(column)))
      .map((link) => [shape(link, renamed), link]),
  );
  const present = new Map(
    target.links
      .filter((link) => !link.columns.some((column) => touched.target.has(column)))
      .map((link) => [shape(link, (column) => column), link]),
  );
  for (const [key, link] of wanted) {
    const twin = present.get(key);
    if (twin === undefined)
      say(found, 'foreign-key', `${describeLink(link)} of legacy is missing in the target, or acts otherwise there`);
    else if (link.validated && !twin.validated)
      say(
        found,
        'foreign-key',
        `${describeLink(twin)} is NOT VALID in the target; run ALTER TABLE … VALIDATE CONSTRAINT ${twin.name}`,
      );
  }
  for (const [key, link] of present) {
    if (!wanted.has(key))
      say(found, 'foreign-key', `${describeLink(link)} is only in the target, or acts otherwise in legacy`);
  }
}

function describeLink(link: TableLink): string {
  return `the foreign key ${link.name} (${link.columns.join(', ')}) to ${link.parent}`;
}

function compareRules(found: Found, legacy: StoreTable, target: StoreTable, touched: Touched): void {
  const renamedColumns = new Set(touched.renames.keys());
  const newNames = new Set(touched.renames.values());
  // The text of a check holds column names, so a check on a renamed column cannot be compared by its text.
  const mine = legacy.checks.filter(
    ({ columns }) => !columns.some((column) => touched.legacy.has(column) || renamedColumns.has(column)),
  );
  const theirs = target.checks.filter(
    ({ columns }) => !columns.some((column) => touched.target.has(column) || newNames.has(column)),
  );
  const has = (rules: readonly TableRule[], rule: TableRule) =>
    rules.some((other) => other.definition === rule.definition);
  for (const rule of mine)
    if (!has(theirs, rule)) say(found, 'check', `${rule.definition} of legacy is missing in the target`);
  for (const rule of theirs) {
    if (!has(mine, rule))
      say(found, 'check', `${rule.definition} is only in the target, which may refuse rows that legacy accepts`);
    else if (!rule.validated)
      say(
        found,
        'check',
        `${rule.definition} is NOT VALID in the target; run ALTER TABLE … VALIDATE CONSTRAINT ${rule.name}`,
      );
  }
}

function compareTypes(found: Found, legacy: StoreTable, target: StoreTable): void {
  for (const type of target.types) {
    const twin = legacy.types.find((candidate) => candidate.type === type.type);
    if (twin === undefined || JSON.stringify(twin.members) === JSON.stringify(type.members)) continue;
    const what = type.kind === 'enum' ? 'labels, in order,' : 'definition';
    say(
      found,
      'enum',
      `${type.kind} ${type.type} has another ${what} in the target: ${type.members.join(', ')} instead of ${twin.members.join(', ')}`,
    );
  }
}

function compareTriggers(found: Found, legacy: StoreTable, target: StoreTable, { columns }: Declarations): void {
  const owns = Object.values(columns).includes('target-owned');
  for (const trigger of target.triggers) {
    if (trigger.enabled === 'D' || trigger.enabled === 'R') continue;
    if (trigger.beforeRow && owns)
      found.notes.push(
        `${found.table}: trigger ${trigger.name} of the target fires on Crossfade's writes too; the plan has columns that the target owns, so it may fill them`,
      );
    else
      say(
        found,
        'trigger',
        `trigger ${trigger.name} of the target would fire on Crossfade's writes, a second time after legacy's own; run ALTER TABLE … DISABLE TRIGGER ${trigger.name} until switchover`,
      );
  }
  for (const trigger of legacy.triggers) {
    const twin = target.triggers.some((candidate) => candidate.name === trigger.name);
    if (trigger.enabled !== 'D' && !twin)
      found.notes.push(
        `${found.table}: trigger ${trigger.name} of legacy has no counterpart in the target; nothing does its work after switchover`,
      );
  }
}

function compareFacts(found: Found, legacy: StoreTable, target: StoreTable): void {
  if (legacy.rowSecurity !== target.rowSecurity)
    say(found, 'row-security', 'row security or its policies differ between the stores');
  for (const [store, table] of [
    ['legacy', legacy],
    ['the target', target],
  ] as const) {
    if (!table.seesAll)
      say(found, 'row-security', `row security of ${store} hides rows from Crossfade; give its roles BYPASSRLS`);
  }
  if (target.unlogged && !legacy.unlogged)
    say(
      found,
      'persistence',
      'the table is UNLOGGED in the target and is emptied by a crash; run ALTER TABLE … SET LOGGED',
    );
  if (legacy.partitionKey !== target.partitionKey)
    found.notes.push(
      `${found.table}: partitioned by ${legacy.partitionKey ?? 'nothing'} in legacy and by ${target.partitionKey ?? 'nothing'} in the target; every row needs a partition there`,
    );
}

function say(found: Found, kind: DeltaKind, reason: string): void {
  found.deltas.push({ table: found.table, kind, reason: `${found.table}: ${reason}` });
}

function nullable(notNull: boolean): string {
  return notNull ? 'NOT NULL' : 'nullable';
}
