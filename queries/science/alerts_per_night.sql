-- Alerts per night
-- For anyone who wants to know what the archive holds: packets received and what became of them.
-- result: one row a night and survey: packets received, stored, duplicate and quarantined
-- caveat: packets that were purged count as received and are in no other column; night and survey are null where they
--   could not be read
-- cost: the ledger; no alert is read
SELECT night, survey, sum(received) AS received, sum(stored) AS stored, sum(duplicate) AS duplicate,
       sum(quarantined) AS quarantined
FROM archive.ledger
GROUP BY night, survey
ORDER BY night, survey
