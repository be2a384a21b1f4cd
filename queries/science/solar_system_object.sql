-- A body of the Solar System
-- Every alert of a comet or minor planet, by its designation.
-- survey: lsst
-- param designation text: unpacked designation, such as '2007 JQ'
-- example: designation=Ceres
-- result: one row an alert, oldest first: its id, time (MJD, TAI), position (deg), the survey's id of the body,
--   distances from the Sun and the observer (au), and the phase angle (deg)
-- caveat: the designation is compared letter by letter, blanks too; only alerts that the survey itself matched with a
--   known orbit are found
-- cost: the columns that are shown, of all alerts
SELECT _alert, _mjd_tai, _ra, _dec, ssObjectId, helioRange, topoRange, phaseAngle
FROM lsst.ssobjects
WHERE designation = $designation
ORDER BY _mjd_tai, _alert
