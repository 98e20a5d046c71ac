import { expect, it } from 'vitest';
import { FORWARD_MACHINES, MACHINES, PHASES } from '../../lib/domain/phase.ts';
import { STAGES } from '../../lib/domain/stage.ts';
import { readDocument } from './markdown.ts';

/** The words of the project: used with no synonyms in code, messages and documents. */
const WORDS = [
  ...['plan', 'phase', 'machine', 'scope', 'stage', 'generation', 'wish', 'controller', 'journal', 'authoritative'],
  ...['epoch', 'region', 'service', 'shared tenant', 'capture', 'outbox', 'relay', 'apply', 'applied log', 'park'],
  ...[
    'row version',
    'tombstone',
    'door',
    'repair queue',
    'dead-letter queue',
    'redrive',
    'chunk',
    'digest',
    'drift',
    'drift clock',
  ],
  ...['in flight', 'cycle', 'cycle log', 'evidence log', 'gate', 'backfill', 'repair', 'rollback', 'fence'],
  ...['switchover', 'canary', 'breaker', 'fallback', 'dry run', 'approval', 'compatibility window', 'mark', 'forward'],
  ...['reverse', 'legacy', 'target', 'row key', 'snapshot', 'correlation id', 'event log', 'trace'],
  ...['floor', 'foreign write', 'incident', 'witness', 'emergency stop', 'recovery', 'undo', 'late', 'shape'],
  'subject',
];

const GLOSSARY = readDocument('docs/glossary.md');
const TERMS = [...GLOSSARY.prose.matchAll(/^- \*\*(?<term>[^*]+)\*\*/gm)].map(({ groups }) => groups?.term ?? '');

it('defines every word once', () => {
  expect(TERMS.toSorted()).toEqual(WORDS.toSorted());
});

it('is in alphabetical order', () => {
  expect(TERMS).toEqual(TERMS.toSorted((one, other) => one.localeCompare(other, 'en')));
});

it('names every phase, machine and stage', () => {
  const missing = [...PHASES, ...MACHINES, ...FORWARD_MACHINES, ...STAGES].filter(
    (name) => !GLOSSARY.prose.includes(`\`${name}\``),
  );

  expect(missing).toEqual([]);
});
