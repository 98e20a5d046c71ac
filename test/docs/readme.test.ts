import { expect, it } from 'vitest';
import { EXIT_MEANINGS } from '../../lib/cli/exit-codes.ts';
import { FORWARD_MACHINES, PHASES } from '../../lib/domain/phase.ts';
import { readDocument } from './markdown.ts';

const README = readDocument('README.md');
const rowsOf = (section: string) =>
  (README.headings.find(({ title }) => title === section)?.body ?? '')
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split('|').map((cell) => cell.trim()));

it('lists the exit codes of the program', () => {
  const codes = rowsOf('Exit codes').flatMap(([, code]) => (/^\d+$/.test(code ?? '') ? [code] : []));

  expect(codes).toEqual(Object.keys(EXIT_MEANINGS));
});

it('has a row for every phase with its machines, in their order', () => {
  const rows = rowsOf('Phases').filter(([, phase]) => /^\d/.test(phase ?? ''));

  const phases = rows.map(([, phase]) => /`(?<name>[^`]+)`/.exec(phase ?? '')?.groups?.name);
  const machines = rows.flatMap(([, , cell]) => [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name));

  expect(phases).toEqual([...PHASES]);
  expect(machines).toEqual([...FORWARD_MACHINES]);
});
