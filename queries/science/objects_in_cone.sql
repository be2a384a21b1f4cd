-- Objects in a field
-- For a field of a degree or so: the objects that were measured in it, nearest first.
-- survey: lsst
-- param ra number deg: right ascension of the middle, ICRS
-- param dec number deg from -90 to 90: its declination
-- param radius number deg from 0 to 180 default 1: how far from the middle, the edge included
-- example: ra=150.1 dec=2.2
-- result: one row an object: its id, how often it was measured in the field, first and last time (MJD, TAI), and the
--   least distance of a measurement from the middle (deg)
-- caveat: the Solar System is not in it; measurements beyond the edge are not counted
-- cost: files and rows in the field; time grows with its area
SELECT diaObjectId, count(DISTINCT diaSourceId) AS sources, min(midpointMjdTai) AS first_mjd_tai,
       max(midpointMjdTai) AS last_mjd_tai, min(angular_distance(ra, dec, $ra, $dec)) AS degrees
FROM lsst.sources
WHERE cone(ra, dec, $ra, $dec, $radius) AND diaObjectId <> 0
GROUP BY diaObjectId
ORDER BY degrees, diaObjectId
