-- What is missing
-- For operators: sources from which packets were refused, and why.
-- result: one row a source and reason, most packets first: packets refused, and how many of them were stored since
-- caveat: packets that never came are not known of
-- cost: the quarantine; no alert is read
SELECT source, reason, count(*) AS packets, count(released) AS stored_since
FROM archive.quarantine
GROUP BY source, reason
ORDER BY packets DESC, source, reason
