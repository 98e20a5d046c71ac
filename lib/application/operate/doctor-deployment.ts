/** Checks of what is deployed: who asks, the stacks, their outputs, the plan. They need no open system. */
import { OUTPUTS } from '../../contracts/outputs.ts';
import type { OutputName } from '../../ports/system.ts';
import type { Check, DoctorSubject } from './doctor-check.ts';

/** A link and a word for people; nothing works less without them. */
const OPTIONAL_OUTPUTS: readonly OutputName[] = [
  'apiUrl',
  'dashboardUrl',
  'nextCommand',
  'relayFunction',
  'environment',
  'planHash',
];

export function requiredOutputs(): readonly OutputName[] {
  // Object.keys forgets what it was given.
  return (Object.keys(OUTPUTS) as OutputName[]).filter((name) => !OPTIONAL_OUTPUTS.includes(name));
}

export function checkDeployment(): readonly Check<DoctorSubject>[] {
  return [
    {
      name: 'identity',
      run: async ({ identity }) => ({ result: 'ok', says: await identity.whoAmI() }),
    },
    {
      name: 'stacks',
      run: async ({ plan, system, systems }) => {
        if (system === undefined) {
          const names = await systems.list();
          return {
            result: 'failed',
            says: `nothing is deployed for plan ${plan}; deployed here: ${names.join(', ') || 'none'}`,
            next: 'npm run cdk -- deploy --all',
          };
        }
        const seen = system.stacks.map(({ name, status }) => `${name} ${status}`).join(', ');
        const whole =
          system.stacks.length === 2 &&
          system.stacks.every(({ status }) =>
            /^(CREATE|UPDATE|IMPORT)_COMPLETE$|^UPDATE_ROLLBACK_COMPLETE$/.test(status),
          );
        return whole
          ? { result: 'ok', says: seen }
          : { result: 'failed', says: `${seen}; expected two complete stacks`, next: 'npm run cdk -- deploy --all' };
      },
    },
    {
      name: 'outputs',
      run: async ({ system }) => {
        if (system === undefined) return { result: 'skipped', says: 'nothing is deployed' };
        const missing = requiredOutputs().filter((name) => system.outputs[name] === undefined);
        if (missing.length === 0) return { result: 'ok', says: `${Object.keys(system.outputs).length} outputs` };
        return {
          result: 'failed',
          says: `the stacks lack ${missing.map((name) => OUTPUTS[name]).join(', ')}; an older version is deployed`,
          next: 'npm run cdk -- deploy --all',
        };
      },
    },
    {
      name: 'plan',
      run: async ({ system, fileHash }) => {
        const deployed = system?.outputs.planHash;
        if (deployed === undefined) return { result: 'skipped', says: 'no deployed plan to compare with' };
        if (fileHash === undefined)
          return { result: 'skipped', says: `deployed ${short(deployed)}; give --file to compare your file with it` };
        if (fileHash === deployed) return { result: 'ok', says: `file and deployment agree (${short(deployed)})` };
        return {
          result: 'failed',
          says: `the file is ${short(fileHash)}, deployed is ${short(deployed)}; the machines follow the deployed plan`,
          next: 'npm run cdk -- diff',
        };
      },
    },
    {
      name: 'schedules',
      run: async ({ plan, systems, system }) => {
        if (system === undefined) return { result: 'skipped', says: 'nothing is deployed' };
        const schedules = (await systems.resources(plan)).filter(({ type }) => type === 'AWS::Scheduler::Schedule');
        const broken = schedules.filter(({ status }) => !status.endsWith('_COMPLETE'));
        if (schedules.length === 0)
          return {
            result: 'failed',
            says: 'no schedule is deployed: nothing relays and nothing reconciles',
            next: 'npm run cdk -- deploy --all',
          };
        if (broken.length > 0)
          return {
            result: 'failed',
            says: broken.map(({ id, status }) => `${id} ${status}`).join(', '),
            next: 'npm run cdk -- deploy --all',
          };
        return { result: 'ok', says: `${schedules.length} schedules` };
      },
    },
  ];
}

function short(hash: string): string {
  return hash.slice(0, 12);
}
