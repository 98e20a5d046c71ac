/** How cdk-nag writes a resource in the id of a finding: references as `<LogicalId.Attribute>`, pseudo parameters as `<AWS::Region>`. */
import { Stack } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

export function nagName(scope: IConstruct, resource: string): string {
  return flatten(Stack.of(scope).resolve(resource));
}

function flatten(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const [[intrinsic, argument] = ['', undefined]] = Object.entries(value);
  if (intrinsic === 'Fn::Join' && Array.isArray(argument)) {
    const [separator, parts] = argument as [string, unknown[]]; // the form that CloudFormation gives Fn::Join
    return parts.map(flatten).join(separator);
  }
  if (intrinsic === 'Fn::GetAtt' && Array.isArray(argument)) return `<${argument.join('.')}>`;
  if (intrinsic === 'Ref') return `<${String(argument)}>`;
  return JSON.stringify(value);
}
