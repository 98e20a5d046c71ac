/** CloudFormation outputs of a deployed system: how the CLI finds it by the plan's name. */
export function stackNames(plan: string): { readonly state: string; readonly control: string } {
  return { state: `crossfade-${plan}-state`, control: `crossfade-${plan}-control` };
}

/** Output keys of the control stack. */
export const OUTPUTS = {
  controlTable: 'ControlTable',
  bucket: 'Bucket',
  forwardRetryQueue: 'ForwardRetryQueue',
  forwardDeadQueue: 'ForwardDeadQueue',
  reverseRetryQueue: 'ReverseRetryQueue',
  reverseDeadQueue: 'ReverseDeadQueue',
  flagsApplication: 'FlagsApplication',
  flagsEnvironment: 'FlagsEnvironment',
  flagsProfile: 'FlagsProfile',
  flagsStrategy: 'FlagsStrategy',
  machinePrefix: 'MachinePrefix',
  relayFunction: 'RelayFunction',
  apiUrl: 'ApiUrl',
  dashboardUrl: 'DashboardUrl',
  planHash: 'PlanHash',
  environment: 'Environment',
  nextCommand: 'NextCommand',
} as const;
