/** What the server's types look like after their way as JSON: times are ISO texts. */
export type Wire<Value> = Value extends Date
  ? string
  : Value extends readonly (infer Item)[]
    ? readonly Wire<Item>[]
    : Value extends object
      ? { readonly [Key in keyof Value]: Wire<Value[Key]> }
      : Value;

export interface WirePage<Row> {
  readonly items: readonly Wire<Row>[];
  readonly nextCursor: string | null;
}
