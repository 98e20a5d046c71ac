/** Termination protection of Crossfade's own stacks: `cdk destroy` is refused while a migration is under way (issue 3). */
export interface StackProtection {
  set(on: boolean): Promise<void>;
}
