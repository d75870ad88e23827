/** Knows how a repository is named: owner and name, of whatever people paste. */

export function repositoryName(typed: string): string {
  return typed
    .trim()
    .replace(/^(https?:\/\/|git@)?(www\.)?github\.com[/:]/i, "")
    .replace(/(\.git)?\/*$/, "");
}

export function isRepositoryName(name: string): boolean {
  return /^[\w.-]+\/[\w.-]+$/.test(name);
}
