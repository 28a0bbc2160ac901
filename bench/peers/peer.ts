/** A server that Muster is compared with. */
export interface Peer extends AsyncDisposable {
  readonly url: string;
  /** Moves the fleet and sends it to all viewers. Resolves to the records that must arrive. */
  step(): Promise<number>;
  /** Of the server so far. */
  cpuS(): Promise<number>;
}
