import { MARKS, type MarkName, type MarksPayload } from '../../application/operate/set-marks.ts';
import type { Mark } from '../../contracts/documents.ts';
import type { Paint } from '../terminal.ts';
import { time, who } from './layout.ts';

const WORDS: Readonly<Record<MarkName, { readonly on: string; readonly off: string }>> = {
  paused: { on: 'paused: machines wait before their next step', off: 'not paused' },
  halted: { on: 'halted: machines end at their next step, and none starts', off: 'not halted' },
  deliveryHeld: { on: 'delivery held: events wait, nothing is lost', off: 'delivery is not held' },
};

export function renderMarks(payload: MarksPayload, paint: Paint): string {
  const lines = [
    ...payload.set.map((name) => paint.yellow(WORDS[name].on)),
    ...payload.cleared.map((name) => paint.green(WORDS[name].off)),
    ...payload.unchanged.map((name) => `unchanged: ${describe(name, payload[name])}`),
    ...MARKS.filter((name) => payload[name] !== null && ![...payload.set, ...payload.unchanged].includes(name)).map(
      (name) => `still ${describe(name, payload[name])}`,
    ),
  ];
  return lines.join('\n');
}

function describe(name: MarkName, mark: Mark | null): string {
  return mark === null ? WORDS[name].off : `${WORDS[name].on} (by ${who(mark.by)} at ${time(mark.at)}: ${mark.why})`;
}
