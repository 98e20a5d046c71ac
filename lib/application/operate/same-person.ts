/** Whether two ARNs are one person: two-person rules compare people, and one person may come with two roles. Pure. */

/** `arn:aws:sts::1:assumed-role/Admin/alice@example.org` and `arn:aws:iam::1:user/alice@example.org` are one person. */
export function isSamePerson(left: string, right: string): boolean {
  return left === right || personOf(left) === personOf(right);
}

/** Session or user name; the account's root has none but its account. */
export function personOf(arn: string): string {
  const slash = arn.lastIndexOf('/');
  return slash < 0 ? arn : arn.slice(slash + 1);
}
