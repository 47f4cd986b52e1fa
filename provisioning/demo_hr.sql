-- HRDB, what HR keeps in the demo. Days count from the day on which it is written: the first start.
CREATE TABLE EMPLOYEES (
    USERNAME VARCHAR(150) PRIMARY KEY,
    EMPLOYEE_NO VARCHAR(20) NOT NULL,
    GIVEN_NAME VARCHAR(150),
    FAMILY_NAME VARCHAR(150),
    EMAIL VARCHAR(255),
    ON_HOLD INTEGER NOT NULL DEFAULT 0,
    HOLD_REASON VARCHAR(255)
);
CREATE TABLE DEPARTMENTS (
    DEPARTMENT VARCHAR(20) PRIMARY KEY,
    NAME VARCHAR(150) NOT NULL,
    PARENT VARCHAR(20),
    HEAD VARCHAR(150)
);
CREATE TABLE TITLES (TITLE_NO INTEGER PRIMARY KEY, TITLE VARCHAR(150) NOT NULL);
CREATE TABLE CONTRACTS (
    CONTRACT_NO VARCHAR(20) PRIMARY KEY,
    USERNAME VARCHAR(150) NOT NULL,
    FIRST_DAY DATE NOT NULL,
    LAST_DAY DATE,
    FTE DECIMAL(4, 2) NOT NULL,
    DEPARTMENT VARCHAR(20) NOT NULL,
    TITLE_NO INTEGER NOT NULL
);

INSERT INTO DEPARTMENTS VALUES
    ('100', 'Harbour Clinic', NULL, 'okoye'),
    ('200', 'Care', '100', 'vanderberg'),
    ('210', 'Ward A', '200', 'osullivan'),
    ('220', 'Ward B', '200', 'svensson'),
    ('230', 'Home care', '200', NULL),
    ('300', 'Technology', '100', 'keller'),
    ('310', 'Help desk', '300', 'arslan'),
    ('400', 'Office', '100', NULL);

INSERT INTO TITLES VALUES
    (1, 'Director'),
    (2, 'Head of department'),
    (3, 'Nurse'),
    (4, 'Senior nurse'),
    (5, 'Physiotherapist'),
    (6, 'Care assistant'),
    (7, 'Help desk agent'),
    (8, 'Clerk'),
    (9, 'Trainer');

INSERT INTO EMPLOYEES (USERNAME, EMPLOYEE_NO, GIVEN_NAME, FAMILY_NAME) VALUES
    ('okoye', '4001', 'Ngozi', 'Okoye'),
    ('vanderberg', '4002', 'Anneke', 'van der Berg'),
    ('haddad', '4003', 'Leila', 'Haddad'),
    ('tanaka', '4004', '陽翔', '田中'),
    ('osullivan', '4005', 'Niamh', 'O''Sullivan'),
    ('mutua', '4006', 'Wanjiru', 'Mutua'),
    ('svensson', '4007', 'Åsa', 'Svensson'),
    ('popov', '4008', 'Дмитрий', 'Попов'),
    ('raghavan', '4009', 'Priya', 'Raghavan'),
    ('zhang', '4010', '伟', '张'),
    ('benson', '4011', 'Tayo', 'Benson'),
    ('fontaine', '4012', 'Élodie', 'Fontaine'),
    ('keller', '4013', 'Jürgen', 'Keller'),
    ('arslan', '4014', 'Gülşen', 'Arslan'),
    ('quintero', '4015', 'Íñigo', 'Quintero'),
    ('obi', '4016', 'Chidi', 'Obi'),
    ('weber', '4017', 'Käthe', 'Weber'),
    ('lindholm', '4018', 'Päivi', 'Lindholm'),
    ('castillo', '4019', 'Begoña', 'Castillo'),
    ('moretti', '4020', 'Niccolò', 'Moretti'),
    ('dubois', '4021', 'Chloé', 'Dubois'),
    ('yamada', '4022', '結衣', '山田');
UPDATE EMPLOYEES SET EMAIL = USERNAME || '@example.org';
UPDATE EMPLOYEES SET ON_HOLD = 1, HOLD_REASON = 'HR waits for a signed contract.' WHERE USERNAME = 'yamada';

INSERT INTO CONTRACTS VALUES
    ('C-01', 'okoye', date('now', '-9 years'), NULL, 1, '100', 1),
    ('C-02', 'vanderberg', date('now', '-7 years'), NULL, 1, '200', 2),
    ('C-03', 'haddad', date('now', '-3 years'), NULL, 1, '210', 3),
    ('C-04', 'tanaka', date('now', '-2 years'), NULL, 0.8, '210', 3),
    ('C-05', 'osullivan', date('now', '-6 years'), NULL, 1, '210', 4),
    ('C-06', 'mutua', date('now', '-1 years'), NULL, 1, '220', 3),
    ('C-07', 'svensson', date('now', '-5 years'), NULL, 1, '220', 4),
    ('C-08', 'popov', date('now', '-4 years'), NULL, 0.6, '220', 6),
    -- two contracts at a time
    ('C-09', 'raghavan', date('now', '-2 years'), NULL, 0.6, '220', 3),
    ('C-10', 'raghavan', date('now', '-200 days'), NULL, 0.4, '400', 9),
    ('C-11', 'zhang', date('now', '-3 years'), NULL, 1, '200', 5),
    ('C-12', 'benson', date('now', '-1 years'), NULL, 1, '230', 6),
    -- two that follow each other
    ('C-13', 'fontaine', date('now', '-2 years'), date('now', '-41 days'), 1, '210', 6),
    ('C-14', 'fontaine', date('now', '-40 days'), NULL, 1, '230', 3),
    ('C-15', 'keller', date('now', '-8 years'), NULL, 1, '300', 2),
    ('C-16', 'arslan', date('now', '-4 years'), NULL, 1, '310', 7),
    ('C-17', 'quintero', date('now', '-1 years'), NULL, 1, '310', 7),
    ('C-18', 'obi', date('now', '-3 years'), NULL, 1, '400', 8),
    ('C-19', 'weber', date('now', '-5 years'), NULL, 0.5, '400', 8),
    -- who begins in two weeks, and next year
    ('C-20', 'lindholm', date('now', '+14 days'), NULL, 1, '210', 3),
    ('C-21', 'castillo', date('now', '+400 days'), NULL, 1, '310', 7),
    -- whose contract ends soon, and whose ended
    ('C-22', 'moretti', date('now', '-1 years'), date('now', '+10 days'), 1, '220', 3),
    ('C-23', 'dubois', date('now', '-4 years'), date('now', '-30 days'), 1, '400', 8),
    ('C-24', 'yamada', date('now', '-7 days'), NULL, 1, '300', 7);
