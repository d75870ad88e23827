/** Knows the shapes in which browsers hand over files, and makes one tree of each. */

export interface FileNode {
  kind: "file";
  name: string;
  file: () => Promise<File>;
}
export interface FolderNode {
  kind: "folder";
  name: string;
  children: () => Promise<SourceNode[]>;
}
export type SourceNode = FileNode | FolderNode;

/**
 * What was dropped. Must be called before the drop's handler returns: afterwards the browser has
 * taken everything back.
 */
export function nodesOfDrop(transfer: DataTransfer): SourceNode[] {
  const nodes: SourceNode[] = [];
  for (const item of transfer.items) {
    if (item.kind !== "file") continue;
    const entry = item.webkitGetAsEntry?.();
    if (entry) nodes.push(nodeOfEntry(entry));
    else {
      const file = item.getAsFile();
      if (file) nodes.push(nodeOfFile(file));
    }
  }
  return nodes;
}

/** What was chosen in a dialog for files or for a folder. */
export function nodesOfList(files: Iterable<File>): SourceNode[] {
  const top = new Map<string, Branch | File>();
  for (const file of files) {
    const parts = (file.webkitRelativePath || file.name).split("/");
    const name = parts.pop() ?? file.name;
    let level = top;
    for (const part of parts) {
      let next = level.get(part);
      if (!(next instanceof Map)) {
        next = new Map();
        level.set(part, next);
      }
      level = next;
    }
    level.set(name, file);
  }
  return nodesOfBranch(top);
}

type Branch = Map<string, Branch | File>;

function nodesOfBranch(branch: Branch): SourceNode[] {
  return [...branch].map(([name, inside]) =>
    inside instanceof Map
      ? { kind: "folder", name, children: async () => nodesOfBranch(inside) }
      : { ...nodeOfFile(inside), name },
  );
}

function nodeOfFile(file: File): FileNode {
  return { kind: "file", name: file.name, file: async () => file };
}

function nodeOfEntry(entry: FileSystemEntry): SourceNode {
  if (entry.isDirectory) {
    const folder = entry as FileSystemDirectoryEntry;
    return { kind: "folder", name: entry.name, children: () => childrenOf(folder) };
  }
  const file = entry as FileSystemFileEntry;
  return {
    kind: "file",
    name: entry.name,
    file: () => new Promise((resolve, reject) => file.file(resolve, reject)),
  };
}

async function childrenOf(folder: FileSystemDirectoryEntry): Promise<SourceNode[]> {
  const reader = folder.createReader();
  const found: SourceNode[] = [];
  for (;;) {
    // A hundred at a time, until none is left.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return found;
    found.push(...some.map(nodeOfEntry));
  }
}
