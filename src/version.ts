/** Of this program, as `package.json` has it. While nodes of two versions are members of a cluster, it moves no shards. */
export const VERSION = "0.1.0";
