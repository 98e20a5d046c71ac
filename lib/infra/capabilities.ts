/**
 * What the endpoint that is deployed to can do. AWS can do all of it; a local deploy passes what its emulator lacks as context
 * (`-c capabilities='{"compositeAlarms":false}'`). This is the one place that knows: no construct asks where it runs.
 */
import type { Node } from 'constructs';

export interface Capabilities {
  /** CloudFormation type AWS::CloudWatch::CompositeAlarm. */
  readonly compositeAlarms: boolean;
  /** CloudFormation types of RDS Proxy. Without them a plan that asks for a proxy deploys without one. */
  readonly rdsProxy: boolean;
  /** Distributed Map with ItemBatcher and with JSONata in its reader; see distributed-map.ts for what takes their place. */
  readonly batchedDistributedMap: boolean;
  /** Functions on Graviton. An emulator runs them on whatever processor it has. */
  readonly arm64: boolean;
  /** Speaks TLS. Policies that refuse plain HTTP would lock everybody out of an endpoint that has nothing else. */
  readonly tls: boolean;
  /** The roles of `cdk bootstrap` can be used. They may not where `tls` is lacking: the bootstrap bucket refuses plain HTTP too. */
  readonly bootstrapRoles: boolean;
}

export const ALL_CAPABILITIES: Capabilities = {
  compositeAlarms: true,
  rdsProxy: true,
  batchedDistributedMap: true,
  arm64: true,
  tls: true,
  bootstrapRoles: true,
};

/** What the emulator of the local environment (MiniStack 1.5.33) lacks. */
export const EMULATOR_CAPABILITIES: Capabilities = {
  compositeAlarms: false,
  rdsProxy: false,
  batchedDistributedMap: false,
  arm64: false,
  tls: false,
  bootstrapRoles: false,
};

/** Context `capabilities`: a JSON text or an object that names only what is lacking. @throws on an unknown name or a value that is no boolean. */
export function readCapabilities(node: Node): Capabilities {
  const given = readJsonContext(node, 'capabilities');
  for (const [name, value] of Object.entries(given)) {
    if (!(name in ALL_CAPABILITIES) || typeof value !== 'boolean') {
      throw new Error(
        `context capabilities: ${name}=${JSON.stringify(value)}; expected ${Object.keys(ALL_CAPABILITIES).join(', ')} with true or false`,
      );
    }
  }
  return { ...ALL_CAPABILITIES, ...given };
}

/** An object in the context, from cdk.json or as JSON text from the command line. */
export function readJsonContext(node: Node, key: string): Readonly<Record<string, unknown>> {
  const given: unknown = node.tryGetContext(key) ?? {};
  const value: unknown = typeof given === 'string' ? parseJson(key, given) : given;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error(`context ${key}: expected a JSON object, such as -c ${key}='{"name":"value"}'`);
  }
  return value as Readonly<Record<string, unknown>>; // checked above: an object that is no array
}

function parseJson(key: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`context ${key}: no JSON: ${text}`, { cause });
  }
}
