/** Rows of a list by tenant that one statement returns: a few hundred bytes each, and an answer of the Data API ends at 1 MiB. */
export const TENANTS_A_PAGE = 1_000;
