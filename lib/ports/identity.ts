/** Who is asking, as AWS sees it: approvals and marks are signed with it, never with a name that the caller gives. */
export interface Identity {
  /** ARN of the caller. */
  whoAmI(): Promise<string>;
}
