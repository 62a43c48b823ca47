// The CDK's own difference of two templates, as JSON: what `cdk diff --template` shows, before it is made text.
// Input: an object of stack -> {base, now}. Output: stack -> {broadened, resources: {id: {impact, ...}}}.
const { readFileSync } = require("fs");
const { DiffFormatter } = require(process.argv[2]);

const answer = {};
for (const [stack, { base, now }] of Object.entries(JSON.parse(readFileSync(0, "utf8")))) {
  const templateInfo = { oldTemplate: base, newTemplate: { template: now, stackName: stack } };
  const found = new DiffFormatter({ templateInfo }).computeDiff(stack, base, now, undefined, {});
  const resources = {};
  found.resources.forEachDifference((id, change) => {
    const properties = Object.entries(change.propertyUpdates).map(([name, each]) => [name, each.changeImpact]);
    resources[id] = { impact: change.changeImpact, properties: Object.fromEntries(properties) };
  });
  answer[stack] = { broadened: found.permissionsBroadened, resources };
}
process.stdout.write(JSON.stringify(answer));
