-- Alerts per night
-- For anyone who wants to know what the archive holds: packets received and what became of them, by night and survey.
SELECT night, survey, sum(received) AS received, sum(stored) AS stored, sum(duplicate) AS duplicate,
       sum(quarantined) AS quarantined
FROM archive.ledger
GROUP BY night, survey
ORDER BY night, survey
