/** S3: lists of chunks, results and reports that outgrow a document. */
export interface ObjectStore {
  put(key: string, body: string, contentType?: string): Promise<void>;
  get(key: string): Promise<string | undefined>;
  readonly bucket: string;
}
