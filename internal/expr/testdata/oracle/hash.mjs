// Answers {"dir", "patterns"} lines with the hash that GitHub's own package
// @actions/glob gives: what hashFiles is on GitHub.
import { createInterface } from "node:readline";
import { hashFiles } from "@actions/glob";

// The package tells its progress on stdout, where the answers go.
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = () => true;

for await (const line of createInterface({ input: process.stdin })) {
  const { dir, patterns } = JSON.parse(line);
  process.chdir(dir);
  let answer;
  try {
    answer = { hash: await hashFiles(patterns, dir, { followSymbolicLinks: false }) };
  } catch (e) {
    answer = { error: String(e.message) };
  }
  write(JSON.stringify(answer) + "\n");
}
