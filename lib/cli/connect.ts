/** Finds the deployed system by the plan's name. AWS is loaded only here, so that help and `plan check` are quick. */
import { requiredOutputs } from '../application/operate/doctor-deployment.ts';
import { type Operator, OperatorError } from '../application/operate/operator.ts';
import { OUTPUTS } from '../contracts/outputs.ts';
import type { Clock } from '../ports/clock.ts';
import type { DeployedSystem, OutputName, Systems } from '../ports/system.ts';
import type { Connection, Context, GlobalOptions } from './context.ts';
import { planNameOf } from './plan-file.ts';
import { withProgress } from './progress.ts';
import type { Terminal } from './terminal.ts';
import { createTerminalLog } from './terminal-log.ts';

export interface ConnectOptions {
  readonly terminal: Terminal;
  readonly clock: Clock;
  readonly options: GlobalOptions;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly readFile: Context['readFile'];
}

export async function connect(given: ConnectOptions): Promise<Connection> {
  const { terminal, clock, options } = given;
  const { openAccount, openSystem } = await import('../adapters/operator-on-aws.ts');
  const { identity, systems } = openAccount();
  const explicit = options.plan;
  const find = async () => {
    const plan =
      explicit === undefined ? await choosePlan(systems, given.environment) : await planNameOf(given, explicit);
    return { plan, system: await systems.find(plan) };
  };
  const { plan, system } = await withProgress(terminal, 'looking for the deployed system', find());
  const command = (text: string) => `npx crossfade ${text}${explicit === undefined ? '' : ` --plan ${explicit}`}`;
  return {
    plan,
    identity,
    systems,
    system,
    command,
    open: async (): Promise<Operator> => {
      const whole = await requireWhole(plan, system, systems);
      const adapters = openSystem(whole.outputs, { clock, log: createTerminalLog(terminal, options.logLevel) });
      return { system: whole, systems, identity, clock, command, ...adapters };
    },
  };
}

/** $CROSSFADE_PLAN, else the only one that is deployed. */
async function choosePlan(systems: Systems, environment: ConnectOptions['environment']): Promise<string> {
  const named = environment.CROSSFADE_PLAN;
  if (named !== undefined && named !== '') return named;
  const names = await systems.list();
  const [only] = names;
  if (only !== undefined && names.length === 1) return only;
  if (only === undefined) {
    throw new OperatorError('usage', 'no system of Crossfade is deployed in this account and region', {
      next: 'npm run cdk -- deploy --all -c plan=<file>',
    });
  }
  throw new OperatorError('usage', `several systems are deployed: ${names.join(', ')}; say which one`, {
    next: `npx crossfade status --plan ${only}`,
  });
}

type WholeSystem = DeployedSystem & { readonly outputs: Readonly<Record<OutputName, string>> };

export async function requireWhole(
  plan: string,
  system: DeployedSystem | undefined,
  systems: Systems,
): Promise<WholeSystem> {
  if (system === undefined) {
    const names = await systems.list();
    const others = names.length === 0 ? 'nothing is' : `deployed here: ${names.join(', ')}`;
    throw new OperatorError('usage', `no system is deployed for plan ${plan}; ${others}`, {
      next:
        names[0] === undefined
          ? 'npm run cdk -- deploy --all -c plan=<file>'
          : `npx crossfade status --plan ${names[0]}`,
    });
  }
  const missing = requiredOutputs().filter((name) => system.outputs[name] === undefined);
  if (missing.length > 0) {
    throw new OperatorError(
      'failed',
      `the stacks of plan ${plan} lack ${missing.map((name) => OUTPUTS[name]).join(', ')}: not deployed to the end, or by an older version`,
      {
        next: `npx crossfade doctor --plan ${plan}`,
      },
    );
  }
  // Checked above; the optional ones are never read from here.
  return system as WholeSystem;
}
