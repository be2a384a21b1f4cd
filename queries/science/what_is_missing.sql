-- What is missing
-- For operators: sources from which packets were refused, and why.
SELECT source, reason, count(*) AS packets, count(released) AS stored_since
FROM archive.quarantine
GROUP BY source, reason
ORDER BY packets DESC, source, reason
