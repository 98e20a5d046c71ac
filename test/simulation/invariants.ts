/** What must hold when nothing moves any more (design §8.1, §8.2, §8.7); what must hold at every transition is in model/receiver.ts. */
import { isOpen } from './model/store.ts';
import { stateText, type World } from './model/world.ts';

export function checkAtRest(world: World): void {
  const direction = world.legacy.control.direction;
  const source = world.sourceOf(direction);
  const receiver = world.receiverOf(direction);
  for (const [key, truth] of world.truth) {
    const held = source.stateOf(key);
    if (held.version !== truth.version || (held.row === null) !== (truth.row === null))
      world.fail(
        `k${key}: the last acknowledged write is ${stateText(truth)}, ${source.name} holds ${stateText(held)}`,
      );
  }
  const lost = source.outbox.find(({ status }) => status === 'pending');
  if (lost !== undefined) world.fail(`seq ${lost.seq} waits for ever`);
  // A row whose event waits for a person differs until that is redriven.
  const waiting = new Set(source.outbox.filter(isOpen).map(({ key }) => key));
  for (let key = 0; key < world.profile.keys; key++) {
    if (waiting.has(key)) continue;
    const wanted = source.stateOf(key);
    const shown = receiver.stateOf(key);
    const isWanted = wanted.row !== null && source.tenants.get(wanted.row.tenant)?.isOn === true;
    // What is left of a tenant that is off is nobody's business until its way back.
    const isShown = shown.row !== null && source.tenants.get(shown.row.tenant)?.isOn === true;
    if (!isWanted && !isShown) continue;
    const isEqual = isWanted && shown.version === wanted.version && shown.row?.value === wanted.row?.value;
    if (!isEqual)
      world.fail(
        `k${key}: ${source.name} holds ${stateText(wanted)}${isWanted ? '' : ' (off)'}, ${receiver.name} shows ${stateText(shown)}`,
      );
  }
}
