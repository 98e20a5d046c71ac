/**
 * A Distributed Map for an endpoint without ItemBatcher and without JSONata in the reader (capability `batchedDistributedMap`).
 * The states, their order and their errors stay the same; only the reader's arguments become paths into the state's input, and
 * each child gets one chunk instead of a batch.
 */
interface MapState {
  readonly Type: 'Map';
  readonly ItemReader: { readonly Arguments: Readonly<Record<string, string>> };
  readonly ItemProcessor: { readonly States: Readonly<Record<string, State>> };
}
interface State {
  readonly Type: string;
  readonly Arguments?: { readonly Payload?: Readonly<Record<string, unknown>> };
}

export function unbatchDistributedMaps(definition: { readonly States: Readonly<Record<string, State>> }): unknown {
  const states = Object.entries(definition.States).map(([name, state]) => [
    name,
    isDistributed(state) ? unbatch(state) : state,
  ]);
  return { ...definition, States: Object.fromEntries(states) };
}

function isDistributed(state: object): state is MapState {
  return 'Type' in state && state.Type === 'Map' && 'ItemReader' in state;
}

function unbatch(map: MapState): unknown {
  const { ItemReader, ItemProcessor, ...rest } = map;
  const { Arguments, ...reader } = ItemReader;
  const paths = Object.entries(Arguments).map(([name, expression]) => [`${name}.$`, toPath(expression)]);
  const children = Object.entries(ItemProcessor.States).map(([name, state]) => [name, unbatchPayload(state)]);
  return {
    ...Object.fromEntries(Object.entries(rest).filter(([key]) => key !== 'ItemBatcher')),
    ItemReader: { ...reader, Parameters: Object.fromEntries(paths) },
    ItemProcessor: { ...ItemProcessor, States: Object.fromEntries(children) },
  };
}

/** The state before hands its data on as output, so `$last.data.x` is `$.x` of the input. */
function toPath(expression: string): string {
  const match = /^\{% \$last\.data\.(?<path>[\w.]+) %\}$/.exec(expression);
  if (match?.groups === undefined)
    throw new Error(`no path for the reader's argument ${expression}; expected {% $last.data.<name> %}`);
  return `$.${match.groups.path}`;
}

function unbatchPayload(state: State): State {
  const payload = state.Arguments?.Payload;
  if (payload === undefined) return state;
  return {
    ...state,
    Arguments: { ...state.Arguments, Payload: { ...payload, run: '{% $run %}', Items: '{% [$states.input] %}' } },
  };
}
