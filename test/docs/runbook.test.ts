import { describe, expect, it } from 'vitest';
import { ALARMS, runbookLink, SUMMARY_ALARM } from '../../lib/contracts/alarms.ts';
import { anchorOf, brokenLink, readDocument } from './markdown.ts';

const RUNBOOK = readDocument('docs/runbook.md');
const TITLES = [...new Set([...ALARMS.map(({ runbook }) => runbook), SUMMARY_ALARM.runbook])];
const PARTS = ['What it means', 'How to look', 'What to run'];

/** Sections of the third level under the heading `Alarms`. */
const SECTIONS = (() => {
  const start = RUNBOOK.headings.findIndex(({ level, title }) => level === 2 && title === 'Alarms');
  const rest = RUNBOOK.headings.slice(start + 1);
  const end = rest.findIndex(({ level }) => level <= 2);
  return rest.slice(0, end < 0 ? rest.length : end);
})();

it('has a section for every alarm, and no section for an alarm that is not there', () => {
  const sections = SECTIONS.map(({ title }) => title);

  expect(sections.toSorted()).toEqual(TITLES.toSorted());
});

it('names in each section the alarms that lead to it', () => {
  const silent = ALARMS.filter(({ name, runbook }) => {
    const section = SECTIONS.find(({ title }) => title === runbook);
    return section?.body.includes(`\`${name}\``) !== true;
  });

  expect(silent).toEqual([]);
});

describe.each(SECTIONS)('$title', ({ title, body }) => {
  it('says what it means, how to look and what to run', () => {
    const missing = PARTS.filter((part) => !body.includes(`**${part}.**`));

    expect(missing).toEqual([]);
  });

  it('is where the alarm’s description leads to', () => {
    const broken = brokenLink(readDocument('README.md'), runbookLink(title));

    expect(broken).toBeUndefined();
  });
});

it('gives no two sections one anchor', () => {
  const anchors = RUNBOOK.headings.map(({ title }) => anchorOf(title));

  expect(new Set(anchors).size).toBe(anchors.length);
});
